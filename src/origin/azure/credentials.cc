#include "src/origin/azure/credentials.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "src/origin/azure/shared_key.h"
#include "src/origin/http/request.h"
#include "src/origin/http/text.h"

namespace forebay::azure {
namespace {

using http_origin::Lower;
using http_origin::ReadSmallFile;

// Of every Azurite and emulator, published: no secret.
constexpr std::string_view kDevelopmentAccount = "devstoreaccount1";
constexpr std::string_view kDevelopmentKey =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/"
    "KBHBeksoGMGw==";
constexpr std::string_view kDevelopmentEndpoint = "http://127.0.0.1:10000/devstoreaccount1";

constexpr std::string_view kConnectionVariable = "AZURE_STORAGE_CONNECTION_STRING";

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::string_view Describe(Credential::Kind kind) {
  switch (kind) {
    case Credential::Kind::kAnonymous:
      return "anonymous";
    case Credential::Kind::kKey:
      return "account key";
    case Credential::Kind::kSas:
      return "shared access signature";
    case Credential::Kind::kToken:
      return "token";
  }
  return "";
}

class Fixed final : public CredentialSource {
 public:
  explicit Fixed(Looked looked) : looked_(std::move(looked)) {}
  Task<Result<Looked>> Look(Env&, Call) override { co_return looked_; }
  bool changes() const override { return false; }

 private:
  const Looked looked_;
};

/// Read anew at every look, because secrets that are mounted change.
class InFile final : public CredentialSource {
 public:
  InFile(std::string path, std::string account)
      : path_(std::move(path)), account_(std::move(account)) {}

  Task<Result<Looked>> Look(Env& env, Call) override {
    FB_CO_ASSIGN(const std::string text, co_await ReadSmallFile(env, path_));
    auto credential = CredentialOf(text, account_);
    if (!credential) {
      co_return Fail(credential.error().code(),
                     fmt::format("file {}: {}", path_, credential.error().message()));
    }
    std::string told = fmt::format("{} of file {}", Describe(credential->kind), path_);
    co_return Looked{.credential = std::move(*credential), .told = std::move(told)};
  }

 private:
  const std::string path_;
  const std::string account_;
};

class InOrder final : public CredentialSource {
 public:
  explicit InOrder(std::vector<std::unique_ptr<CredentialSource>> sources)
      : sources_(std::move(sources)) {}

  Task<Result<Looked>> Look(Env& env, Call call) override {
    Looked none;
    for (const auto& source : sources_) {
      FB_CO_ASSIGN(Looked looked, co_await source->Look(env, call));
      if (looked.credential) co_return looked;
      none.told += (none.told.empty() ? "" : ", ") + looked.told;
    }
    co_return none;
  }

 private:
  const std::vector<std::unique_ptr<CredentialSource>> sources_;
};

Result<Looked> InVariable(const Surroundings& surroundings, std::string_view name,
                          std::string_view account) {
  const std::string_view text = surroundings.Variable(name);
  if (text.empty()) return Looked{.told = fmt::format("no {}", name)};
  auto credential = CredentialOf(text, account);
  if (!credential) {
    return Fail(credential.error().code(),
                fmt::format("variable {}: {}", name, credential.error().message()));
  }
  std::string told = fmt::format("{} of variable {}", Describe(credential->kind), name);
  return Looked{.credential = std::move(*credential), .told = std::move(told)};
}

/// What the variables of Azure's tools say. Those of another account are passed over, because a
/// node may have attachments of several.
Result<Looked> InUsualVariables(const Surroundings& surroundings, std::string_view account) {
  std::string told = fmt::format("no {}", kConnectionVariable);
  if (const auto text = surroundings.Variable(kConnectionVariable); !text.empty()) {
    auto parsed = ParseConnectionString(text);
    if (!parsed || parsed->account.empty() || parsed->account == account) {
      return InVariable(surroundings, kConnectionVariable, account);
    }
    told = fmt::format("{} of another account", kConnectionVariable);
  }
  const std::string_view named = surroundings.Variable("AZURE_STORAGE_ACCOUNT");
  const bool other = !named.empty() && named != account;
  for (const std::string_view name : {"AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"}) {
    if (surroundings.Variable(name).empty()) {
      told += fmt::format(", no {}", name);
    } else if (other) {
      told += fmt::format(", {} of another account (AZURE_STORAGE_ACCOUNT)", name);
    } else {
      return InVariable(surroundings, name, account);
    }
  }
  return Looked{.told = std::move(told)};
}

Result<std::unique_ptr<CredentialSource>> UsualSource(const Surroundings& surroundings,
                                                      std::string_view account) {
  FB_ASSIGN(Looked looked, InUsualVariables(surroundings, account));
  const bool found = looked.credential.has_value();
  auto variables = std::make_unique<Fixed>(std::move(looked));
  if (found) return variables;
  std::vector<std::unique_ptr<CredentialSource>> sources;
  sources.push_back(std::move(variables));
  sources.push_back(TokensOfWorkload(surroundings, false));
  const std::string client(surroundings.Variable("AZURE_CLIENT_ID"));
  sources.push_back(TokensOfMachine(client, false));
  return std::make_unique<InOrder>(std::move(sources));
}

/// nullopt unless `text` begins with `with`, otherwise what follows.
std::optional<std::string_view> After(std::string_view text, std::string_view with) {
  if (!text.starts_with(with)) return std::nullopt;
  return text.substr(with.size());
}

Result<Credential> SasOf(std::string_view text) {
  FB_ASSIGN(std::string sas, NormalSas(text));
  const int64_t ends = SasEnds(sas);
  return Credential{.kind = Credential::Kind::kSas, .secret = std::move(sas), .ends_wall_ns = ends};
}

Result<Credential> KeyOf(std::string_view text, std::string_view account) {
  auto key = http_origin::FromBase64(Trimmed(text));
  if (!key || key->empty()) {
    return Fail(Code::kInvalidArgument,
                "neither an account's key (in base64), nor a shared access signature, nor a "
                "connection string");
  }
  return Credential{
      .kind = Credential::Kind::kKey, .account = std::string(account), .secret = std::move(*key)};
}

}  // namespace

bool IsConnectionString(std::string_view text) {
  for (const std::string_view part : {"AccountKey=", "SharedAccessSignature=", "BlobEndpoint=",
                                      "UseDevelopmentStorage=", "AccountName="}) {
    if (text.find(part) != text.npos) return true;
  }
  return false;
}

Result<ConnectionString> ParseConnectionString(std::string_view text) {
  std::map<std::string, std::string, std::less<>> values;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(';'));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const size_t equals = one.find('=');
    if (Trimmed(one).empty()) continue;
    if (equals == one.npos) {
      return Fail(Code::kInvalidArgument, "a connection string is NAME=VALUE;NAME=VALUE...");
    }
    values[Lower(Trimmed(one.substr(0, equals)))] = Trimmed(one.substr(equals + 1));
  }
  if (Lower(values["usedevelopmentstorage"]) == "true") {
    return ConnectionString{.account = std::string(kDevelopmentAccount),
                            .key = std::string(kDevelopmentKey),
                            .endpoint = std::string(kDevelopmentEndpoint)};
  }
  ConnectionString parsed{.account = values["accountname"],
                          .key = values["accountkey"],
                          .sas = values["sharedaccesssignature"],
                          .endpoint = values["blobendpoint"]};
  if (parsed.key.empty() && parsed.sas.empty()) {
    return Fail(Code::kInvalidArgument,
                "the connection string has neither AccountKey nor SharedAccessSignature");
  }
  if (parsed.endpoint.empty() && !values["endpointsuffix"].empty() && !parsed.account.empty()) {
    const std::string& protocol = values["defaultendpointsprotocol"];
    parsed.endpoint = fmt::format("{}://{}.blob.{}", protocol.empty() ? "https" : protocol,
                                  parsed.account, values["endpointsuffix"]);
  }
  return parsed;
}

Result<Credential> CredentialOf(std::string_view text, std::string_view account) {
  text = Trimmed(text);
  if (!IsConnectionString(text)) {
    return text.find("sig=") != text.npos ? SasOf(text) : KeyOf(text, account);
  }
  FB_ASSIGN(const ConnectionString parsed, ParseConnectionString(text));
  if (!parsed.account.empty() && parsed.account != account) {
    return Fail(
        Code::kInvalidArgument,
        fmt::format("the connection string is of account {}, not of {}", parsed.account, account));
  }
  return parsed.key.empty() ? SasOf(parsed.sas) : KeyOf(parsed.key, account);
}

std::string UsualEndpoint(std::string_view reference, const Surroundings& surroundings,
                          std::string_view account) {
  std::string_view name = kConnectionVariable;
  if (const auto variable = After(reference, "env:")) {
    name = *variable;
  } else if (!reference.empty() && reference != "default") {
    return "";
  }
  const std::string_view text = surroundings.Variable(name);
  if (!IsConnectionString(text)) return "";
  auto parsed = ParseConnectionString(text);
  if (!parsed || (!parsed->account.empty() && parsed->account != account)) return "";
  return std::move(parsed->endpoint);
}

Result<std::unique_ptr<CredentialSource>> MakeCredentialSource(std::string_view reference,
                                                               const Surroundings& surroundings,
                                                               std::string_view account) {
  if (reference.empty() || reference == "default") return UsualSource(surroundings, account);
  if (reference == "anonymous") {
    return std::make_unique<Fixed>(Looked{
        .credential = Credential{.kind = Credential::Kind::kAnonymous}, .told = "anonymous"});
  }
  if (reference == "managed-identity") return TokensOfMachine("", true);
  if (reference == "workload-identity") return TokensOfWorkload(surroundings, true);
  if (const auto client = After(reference, "managed-identity:"); client && !client->empty()) {
    return TokensOfMachine(std::string(*client), true);
  }
  if (const auto path = After(reference, "file:"); path && path->starts_with('/')) {
    return std::make_unique<InFile>(std::string(*path), std::string(account));
  }
  if (const auto name = After(reference, "env:"); name && !name->empty()) {
    FB_ASSIGN(Looked looked, InVariable(surroundings, *name, account));
    return std::make_unique<Fixed>(std::move(looked));
  }
  // Not repeated: somebody may have put a secret there.
  return Fail(Code::kInvalidArgument,
              "?credentials= says where they are: default, env:NAME, file:/PATH, "
              "managed-identity[:CLIENT_ID], workload-identity or anonymous");
}

}  // namespace forebay::azure
