// `forebay key add`: a line more in the file that says who may come by S3. No node is needed; one
// that uses the file reads it again.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "src/app/commands.h"
#include "src/app/exit_status.h"
#include "src/app/private_file.h"
#include "src/node/gate.h"

namespace forebay::app {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;  // as nodes read it
constexpr size_t kIdLetters = 20;
constexpr size_t kSecretLetters = 40;
constexpr std::string_view kIdAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// No '/' and no '+', which some clients get wrong in URLs.
constexpr std::string_view kSecretAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kAnonymous = "anonymous";

struct Arguments {
  std::vector<std::string> rights;
  std::string file;
  std::string id;
};

/// Each letter as likely as any other.
Result<std::string> RandomText(std::string_view alphabet, size_t letters) {
  const size_t fair = 256 - 256 % alphabet.size();
  std::string text;
  while (text.size() < letters) {
    FB_ASSIGN(const std::string bytes, RandomBytes(letters));
    for (const char byte : bytes) {
      const auto number = static_cast<unsigned char>(byte);
      if (number < fair && text.size() < letters) text += alphabet[number % alphabet.size()];
    }
  }
  return text;
}

/// As a node would: what it says names lines and rights, and never a secret.
Result<std::unique_ptr<Gate>> GateOf(std::string_view text) {
  return Gate::Create({.key_file_text = std::string(text)});
}

Result<void> CheckIsNew(std::string_view text, const std::string& id, const std::string& path) {
  auto gate = GateOf(text);
  if (!gate) return Fail(gate.error().Within(path));
  const auto admitted = (*gate)->AdmitKey(id, [](std::string_view) { return true; });
  if (!admitted) return {};
  return Fail(
      Code::kAlreadyExists,
      fmt::format("{} has a key '{}'; take its line out first, or choose another --id", path, id));
}

Result<void> CheckLine(const std::string& line) {
  const auto gate = GateOf(line);
  if (gate) return {};
  // "key file, line 1: " is nothing that the caller wrote.
  const std::string& said = gate.error().message();
  const size_t colon = said.find(": ");
  return Fail(Code::kInvalidArgument, colon == said.npos ? said : said.substr(colon + 2));
}

Result<void> RunAdd(const Arguments& arguments) {
  std::string id = arguments.id;
  if (id == kAnonymous) {
    return Fail(Code::kInvalidArgument,
                "anonymous is no key: write the line \"anonymous /ATTACHMENT:RIGHTS\" yourself");
  }
  if (id.empty()) {
    FB_ASSIGN(id, RandomText(kIdAlphabet, kIdLetters));
  }
  FB_ASSIGN(const std::string secret, RandomText(kSecretAlphabet, kSecretLetters));
  std::string rights;
  for (const std::string& one : arguments.rights) rights += (rights.empty() ? "" : ",") + one;
  const std::string line = fmt::format("{} {} {}\n", id, secret, rights);
  FB_TRY(CheckLine(line));
  FB_ASSIGN(const PrivateFile file, PrivateFile::Lock(arguments.file));
  auto text = file.Read(kMaxFileBytes);
  if (!text && text.error().code() != Code::kNotFound) return Fail(text.error());
  std::string all = text ? *std::move(text) : "# ACCESS-KEY SECRET /ATTACHMENT:RIGHTS\n";
  FB_TRY(CheckIsNew(all, id, file.path()));
  if (!all.empty() && !all.ends_with('\n')) all += '\n';
  all += line;
  if (all.size() > kMaxFileBytes) {
    return Fail(Code::kInvalidArgument,
                fmt::format("{}: full: a node reads at most {} bytes", file.path(), kMaxFileBytes));
  }
  FB_TRY(file.Replace(all));
  fmt::print("AWS_ACCESS_KEY_ID={}\nAWS_SECRET_ACCESS_KEY={}\n", id, secret);
  return {};
}

}  // namespace

void AddKeyCommand(CLI::App& app, int& status) {
  CLI::App* key = app.add_subcommand("key", "make keys for the S3 door");
  key->require_subcommand(1);
  CLI::App* command = key->add_subcommand("add", "make a key, and write it into the file of keys");
  auto arguments = std::make_shared<Arguments>();
  command
      ->add_option("RIGHTS", arguments->rights,
                   "/ATTACHMENT:RIGHTS, or *:RIGHTS for all; r reads, w writes, l lists, a makes "
                   "and removes buckets")
      ->required();
  command->add_option("--s3-keys", arguments->file, "the file; made where it is not there")
      ->envname("FOREBAY_S3_KEYS")
      ->type_name("FILE")
      ->required();
  command->add_option("--id", arguments->id, "of the key; without one it is made up");
  command->footer(
      "Prints the key's id and its secret, which is shown this once. Nodes that use the file take\n"
      "the key up within seconds; the file is for its owner alone.\n"
      "Examples:\n  forebay key add /imagenet:rl --s3-keys /etc/forebay/keys\n"
      "  forebay key add '*:rwla' --id OPERATOR --s3-keys keys\n");
  command->callback([arguments, &status] {
    const auto done = RunAdd(*arguments);
    status = done ? kExitOk : Complain("key add", done.error());
  });
}

}  // namespace forebay::app
