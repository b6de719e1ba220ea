// Ctrl-C within a command: the first ends it after the piece in progress, tidily; the second at
// once.
#pragma once

namespace forebay::app {

/// From here on SIGINT and SIGTERM are noted; only once per process.
void NoteInterrupts();
bool Interrupted();

}  // namespace forebay::app
