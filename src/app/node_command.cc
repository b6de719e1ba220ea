#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>

#include "src/app/commands.h"
#include "src/app/config/settings.h"
#include "src/app/exit_status.h"
#include "src/app/serve.h"

namespace forebay::app {
namespace {

struct Arguments {
  std::string config_path;
  std::map<std::string, std::string> flags;  // by setting
  bool print_config = false;
  bool print_settings = false;
};

Result<GivenSettings> ReadFile(const Arguments& arguments) {
  std::string path = arguments.config_path;
  std::string where = "--config";
  if (path.empty()) {
    path = EnvironmentVariable("FOREBAY_CONFIG").value_or("");
    where = "FOREBAY_CONFIG";
  }
  if (path.empty()) return GivenSettings();
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  // Copying nothing would be an error.
  if (file.peek() != std::ifstream::traits_type::eof()) text << file.rdbuf();
  if (!file.is_open() || file.bad() || !text) {
    return Fail(
        Code::kInvalidArgument,
        fmt::format("{} (by {}): cannot be read; name a TOML file, or leave it out", path, where));
  }
  return ReadToml(text.str(), path);
}

GivenSettings FlagsGiven(const CLI::App& command, const Arguments& arguments) {
  GivenSettings given;
  for (const Setting& setting : Settings()) {
    if (command.count(setting.flag()) == 0) continue;
    given[std::string(setting.name)] = {arguments.flags.at(std::string(setting.name)),
                                        "flag " + setting.flag()};
  }
  return given;
}

/// A slip of the finger in the environment would otherwise go unseen. Not an error: others put
/// variables there too (Kubernetes makes FOREBAY_PORT of a service called forebay).
void WarnOfUnknownVariables() {
  constexpr std::string_view kPrefix = "FOREBAY_";
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string_view entry = *at;
    if (!entry.starts_with(kPrefix)) continue;
    std::string name(entry.substr(kPrefix.size(), entry.find('=') - kPrefix.size()));
    for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    const std::string_view nearest = NearestSetting(name);
    if (FindSetting(name) != nullptr || nearest.empty() || name == "node") continue;
    fmt::print(stderr, "forebay: variable {} means nothing here; did you mean {}?\n",
               entry.substr(0, entry.find('=')), FindSetting(nearest)->variable());
  }
}

int Run(const CLI::App& command, const Arguments& arguments) {
  if (arguments.print_settings) {
    fmt::print("{}", SettingsMarkdown());
    return kExitOk;
  }
  WarnOfUnknownVariables();
  const auto file = ReadFile(arguments);
  if (!file) return Complain("", file.error());
  const auto resolved = Resolve(FlagsGiven(command, arguments),
                                ReadEnvironment(EnvironmentVariable), *file, ThisMachine());
  if (!resolved) return Complain("", resolved.error());
  if (arguments.print_config) {
    fmt::print("{}", PrintConfig(*resolved));
    return kExitOk;
  }
  return Serve(resolved->config);
}

/// What stands behind a flag in the help.
std::string Placeholder(const Setting& setting) {
  for (const auto& [type, placeholder] :
       {std::pair("size", "SIZE"), std::pair("path", "PATH"), std::pair("count", "N"),
        std::pair("duration", "TIME"), std::pair("HOST:PORT", "HOST:PORT"),
        std::pair("list", "[DIR=]SIZE,...")}) {
    if (setting.type.starts_with(type)) return placeholder;
  }
  return "WORD";
}

std::string HelpOf(const Setting& setting) {
  const bool is_word = Placeholder(setting) == "WORD";
  return fmt::format("{}{}{} [{}]", setting.help, is_word ? "; " : "", is_word ? setting.type : "",
                     setting.fallback);
}

}  // namespace

void AddNodeCommand(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("node", "run a node on this machine");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--config", arguments->config_path, "a TOML file of the settings below")
      ->type_name("FILE");
  for (const Setting& setting : Settings()) {
    command
        ->add_option(setting.flag(), arguments->flags[std::string(setting.name)], HelpOf(setting))
        ->group(std::string(setting.group))
        ->type_name(Placeholder(setting));
  }
  command->add_flag("--print-config", arguments->print_config,
                    "print every setting and where its value comes from, and end");
  command->add_flag("--print-settings", arguments->print_settings,
                    "print the tables of docs/CONFIGURATION.md, and end");
  command->footer(
      "Every setting is also a key of the TOML file and a variable of the environment:\n"
      "--fill-budget is fill_budget and FOREBAY_FILL_BUDGET. Flags win over variables,\n"
      "variables over the file. All of them: docs/CONFIGURATION.md.\n\n"
      "Examples:\n"
      "  forebay node\n"
      "  forebay node --dram 64GiB --disk /mnt/nvme0=3TiB,/mnt/nvme1=3TiB\n"
      "  forebay node --listen 0.0.0.0:7400 --tokens /etc/forebay/tokens\n"
      "  FOREBAY_DRAM=8GiB forebay node --config forebay.toml --print-config\n");
  command->callback([command, arguments, &status] { status = Run(*command, *arguments); });
}

}  // namespace forebay::app
