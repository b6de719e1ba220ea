// Ctrl-C within a command, or the end of its terminal: the first ends it after the piece in
// progress, tidily; the second at once.
#pragma once

namespace forebay::app {

/// From here on SIGINT, SIGTERM and SIGHUP are noted; only once per process.
void NoteInterrupts();
bool Interrupted();

}  // namespace forebay::app
