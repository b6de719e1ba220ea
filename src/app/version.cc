#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "src/app/commands.h"

namespace forebay::app {

void AddVersionCommand(CLI::App& app, int& status) {
  app.add_subcommand("version", "print the version")->callback([&status] {
    fmt::print("forebay {}\n", FOREBAY_VERSION);
    status = 0;
  });
}

}  // namespace forebay::app
