// The settings of a node: one table, from which everything else about them follows. A setting
// `fill_budget` is the key `fill_budget` of a TOML file, the flag --fill-budget and the variable
// FOREBAY_FILL_BUDGET.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "src/app/config/machine.h"
#include "src/app/config/node_config.h"
#include "src/base/result.h"

namespace forebay::app {

/// How a value is written in TOML.
enum class ValueForm : unsigned char { kText, kCount, kList };

struct Setting {
  std::string_view name;
  std::string_view group;     // a heading of the help and the docs
  std::string_view type;      // what a value looks like: "size", "HOST:PORT or none"
  std::string_view fallback;  // the default, as docs show it
  std::string_view help;
  ValueForm form = ValueForm::kText;
  Result<void> (*set)(NodeConfig& config, std::string_view text) = nullptr;
  /// The default here, where it depends on the machine; null: `fallback` is the value.
  std::string (*fallback_here)(const Machine& machine) = nullptr;
  /// What the value came to, where that says more than its text; null: nothing.
  std::string (*came_to)(const NodeConfig& config) = nullptr;

  std::string flag() const;      // "--fill-budget"
  std::string variable() const;  // "FOREBAY_FILL_BUDGET"
};

std::span<const Setting> Settings();
/// nullptr: there is none of that name.
const Setting* FindSetting(std::string_view name);
/// The name that was meant, or "" where none is close.
std::string_view NearestSetting(std::string_view name);

/// A value as somebody wrote it, and where: "forebay.toml:3", "flag --dram", "default".
struct Given {
  std::string text;
  std::string where;
};
using GivenSettings = std::map<std::string, Given, std::less<>>;

/// A text of TOML. Errors name file, line, key and the fix.
Result<GivenSettings> ReadToml(std::string_view text, std::string_view file_name);

using Lookup = std::function<std::optional<std::string>(const std::string& variable)>;
GivenSettings ReadEnvironment(const Lookup& lookup);

struct ResolvedConfig {
  NodeConfig config;
  GivenSettings chosen;  // one for each setting
};
/// A flag wins over a variable, a variable over the file, the file over the default. Refuses what
/// is impossible here or contradicts itself, naming where it was said and what would do.
Result<ResolvedConfig> Resolve(const GivenSettings& flags, const GivenSettings& environment,
                               const GivenSettings& file, const Machine& machine);

/// TOML that gives the same configuration again, with where each value came from.
std::string PrintConfig(const ResolvedConfig& resolved);
/// The tables of docs/CONFIGURATION.md.
std::string SettingsMarkdown();

}  // namespace forebay::app
