#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "src/app/commands.h"
#include "src/app/exit_status.h"

namespace forebay::app {
namespace {

/// The flags of a command, as words.
std::string FlagsOf(const CLI::App& command) {
  std::string words;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      words += fmt::format("{}--{}", words.empty() ? "" : " ", name);
    }
  }
  return words;
}

/// A case of the shell for each command, after the program's name.
std::string Cases(const CLI::App& program) {
  std::string cases;
  for (const CLI::App* command : program.get_subcommands({})) {
    cases += fmt::format("    {}) flags=\"{}\" ;;\n", command->get_name(), FlagsOf(*command));
  }
  return cases;
}

std::string Commands(const CLI::App& program) {
  std::string words;
  for (const CLI::App* command : program.get_subcommands({})) {
    words += (words.empty() ? "" : " ") + command->get_name();
  }
  return words;
}

// What begins with a slash is a path of the cache where a command takes one; the node is asked.
constexpr std::string_view kBash = R"bash(# bash completion of forebay: source it, or put it into
# /etc/bash_completion.d/forebay
_forebay() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} command=${{COMP_WORDS[1]}} flags=""
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then
    mapfile -t COMPREPLY < <(compgen -W "{commands}" -- "$word")
    return
  fi
  case "$command" in
{cases}  esac
  if [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$word")
  elif [[ $word == /*/* && $command =~ ^(ls|stat|cat|get|rm|load|evict|where|bench)$ ]]; then
    mapfile -t COMPREPLY < <(forebay ls --timeout 2 "$word" 2>/dev/null)
    compopt -o nospace
  elif [[ $command =~ ^(ls|stat|cat|get|rm|load|evict|where|bench|detach)$ ]]; then
    mapfile -t COMPREPLY < <(compgen -W \
      "$(forebay attachments --timeout 2 2>/dev/null | cut -d' ' -f1)" -- "$word")
    compopt -o nospace
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
}}
complete -F _forebay forebay
)bash";

constexpr std::string_view kZshHead = R"zsh(#compdef forebay
# zsh completion of forebay: put it into a folder of $fpath as _forebay, or source it
autoload -U +X bashcompinit && bashcompinit
)zsh";

}  // namespace

void AddCompletionCommand(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("completion", "print a script that completes commands");
  auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "bash or zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}));
  command->footer("Examples:\n  source <(forebay completion bash)\n");
  command->callback([&app, shell, &status] {
    if (*shell == "zsh") fmt::print("{}", kZshHead);
    fmt::print(kBash, fmt::arg("commands", Commands(app)), fmt::arg("cases", Cases(app)));
    status = kExitOk;
  });
}

}  // namespace forebay::app
