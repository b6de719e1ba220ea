// The commands of the `forebay` program, one file each.
#pragma once

namespace CLI {
class App;
}

namespace forebay::app {

/// Each function adds one command to `app`. Running it leaves the exit status in `status`, which
/// outlives the parse.
void AddAttachCommand(CLI::App& app, int& status);
void AddAttachmentsCommand(CLI::App& app, int& status);
void AddBenchCommand(CLI::App& app, int& status);
void AddCatCommand(CLI::App& app, int& status);
void AddCompletionCommand(CLI::App& app, int& status);
void AddDemoCommand(CLI::App& app, int& status);
void AddDetachCommand(CLI::App& app, int& status);
void AddDrainCommand(CLI::App& app, int& status);
void AddEvictCommand(CLI::App& app, int& status);
void AddGetCommand(CLI::App& app, int& status);
void AddKeyCommand(CLI::App& app, int& status);
void AddLoadCommand(CLI::App& app, int& status);
void AddLsCommand(CLI::App& app, int& status);
void AddMapCommand(CLI::App& app, int& status);
void AddNodeCommand(CLI::App& app, int& status);
void AddNodesCommand(CLI::App& app, int& status);
void AddOriginCommand(CLI::App& app, int& status);
void AddPolicyCommand(CLI::App& app, int& status);
void AddPutCommand(CLI::App& app, int& status);
void AddRmCommand(CLI::App& app, int& status);
void AddStatCommand(CLI::App& app, int& status);
void AddStatusCommand(CLI::App& app, int& status);
void AddTopCommand(CLI::App& app, int& status);
void AddVersionCommand(CLI::App& app, int& status);
void AddWhereCommand(CLI::App& app, int& status);

}  // namespace forebay::app
