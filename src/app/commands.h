// The commands of the `forebay` program, one file each.
#pragma once

namespace CLI {
class App;
}

namespace forebay::app {

/// Each function adds one command to `app`. Running it leaves the exit status in `status`, which
/// outlives the parse.
void AddPolicyCommand(CLI::App& app, int& status);
void AddVersionCommand(CLI::App& app, int& status);

}  // namespace forebay::app
