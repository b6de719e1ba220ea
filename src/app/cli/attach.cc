#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "src/app/cli/session.h"
#include "src/app/cli/text.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"
#include "src/app/origins.h"
#include "src/base/units.h"
#include "src/origin/origin_url.h"

namespace forebay::app {
namespace {

struct AttachArguments {
  NodeArguments node;
  client::AttachmentSettings attachment;
  std::string chunk;
  std::string endpoint;
  std::string region;
  std::string credentials;
  std::string ca;
};

/// People write "/imagenet", which is how paths begin; the name is what stands behind the slash.
std::string WithoutSlash(const std::string& name) {
  return name.starts_with('/') ? name.substr(1) : name;
}

/// The URL is all that the node is told: what flags say becomes a part of it.
Result<std::string> WithFlags(const std::string& origin, const AttachArguments& arguments) {
  std::error_code error;
  const std::string ca =
      arguments.ca.empty()
          ? ""
          : std::filesystem::absolute(arguments.ca, error).lexically_normal().string();
  const std::pair<const char*, const std::string&> flags[] = {
      {"endpoint", arguments.endpoint},
      {"region", arguments.region},
      {"credentials", arguments.credentials},
      {"ca", ca}};
  if (std::ranges::all_of(flags, [](const auto& flag) { return flag.second.empty(); })) {
    return origin;
  }
  if (origin.starts_with("file://")) {
    return Fail(Code::kInvalidArgument,
                "--endpoint, --region, --credentials and --ca are of object stores; a folder has "
                "none of them");
  }
  FB_ASSIGN(OriginUrl url, OriginUrl::Parse(origin));
  for (const auto& [name, value] : flags) {
    if (value.empty()) continue;
    if (!url.parameters.emplace(name, value).second) {
      return Fail(Code::kInvalidArgument,
                  fmt::format("--{} is given, and the origin says '{}=', too", name, name));
    }
  }
  return url.ToString();
}

Result<void> RunAttach(AttachArguments& arguments) {
  client::AttachmentSettings& attachment = arguments.attachment;
  attachment.name = WithoutSlash(attachment.name);
  FB_ASSIGN(attachment.origin, WithFlags(UrlOfOrigin(attachment.origin), arguments));
  if (!arguments.chunk.empty()) {
    FB_ASSIGN(attachment.chunk_bytes, ParseSize(arguments.chunk));
  }
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  FB_TRY(session.client().Attach(attachment));
  fmt::print("/{} is {}\n", attachment.name, Visible(attachment.origin));
  return {};
}

struct NameArguments {
  NodeArguments node;
  std::string name;
};

Result<void> RunDetach(const NameArguments& arguments) {
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  return session.client().Detach(WithoutSlash(arguments.name));
}

Result<void> RunAttachments(const NodeArguments& arguments) {
  FB_ASSIGN(Session session, Session::Connect(arguments));
  FB_ASSIGN(const std::vector<client::AttachmentSettings> all, session.client().Attachments());
  for (const client::AttachmentSettings& one : all) {
    fmt::print("/{:<20}  {:<10} {}  {}{}\n", one.name, one.freshness, one.read_only ? "ro" : "rw",
               Visible(one.origin), one.allow.empty() ? "" : "  allow " + one.allow);
  }
  return {};
}

}  // namespace

void AddAttachCommand(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("attach", "give an origin a name in the cache");
  auto arguments = std::make_shared<AttachArguments>();
  client::AttachmentSettings& attachment = arguments->attachment;
  command->add_option("NAME", attachment.name, "/imagenet: by the rules of S3 buckets")->required();
  command
      ->add_option(
          "ORIGIN", attachment.origin,
          "azure://ACCOUNT/CONTAINER/PREFIX, s3://BUCKET/PREFIX, file:///data, or a folder")
      ->required();
  command
      ->add_option("--endpoint", arguments->endpoint,
                   "of another service than the public one: https://minio:9000 []")
      ->type_name("URL");
  command->add_option("--region", arguments->region, "of an S3 bucket [us-east-1]")
      ->type_name("NAME");
  command
      ->add_option("--credentials", arguments->credentials,
                   "where the node finds them: env:NAME, file:PATH, profile:NAME, anonymous; never "
                   "the secret itself [the usual chain: docs/ORIGINS.md]")
      ->type_name("WHERE");
  command
      ->add_option(
          "--ca", arguments->ca,
          "PEM: the authorities that the endpoint's certificate may be of; a file that the "
          "node reads [the system's]")
      ->type_name("FILE");
  command
      ->add_option("--freshness", attachment.freshness,
                   "how old what a name stands for may be: immutable, always, or a time [60s]")
      ->type_name("HOW");
  command
      ->add_option("--allow", attachment.allow,
                   "who may read and write by Unix socket: uid:1000,gid:100 [everyone here]")
      ->type_name("WHO");
  command->add_option("--chunk", arguments->chunk, "fixed for the attachment's life [32MiB]")
      ->type_name("SIZE");
  command->add_flag("--read-only", attachment.read_only, "refuse writes");
  AddNodeArguments(*command, arguments->node);
  command->footer(
      "Examples:\n  forebay attach /imagenet file:///data/imagenet --freshness immutable\n"
      "  forebay attach /models ./models --allow gid:100 --read-only\n"
      "  forebay attach /laion azure://myaccount/laion/v2 --credentials workload-identity\n");
  command->callback([arguments, &status] {
    const auto done = RunAttach(*arguments);
    status = done ? kExitOk : Complain("attach " + arguments->attachment.name, done.error());
  });
}

void AddDetachCommand(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("detach", "take a name away; its origin stays as it is");
  auto arguments = std::make_shared<NameArguments>();
  command->add_option("NAME", arguments->name, "/imagenet")->required();
  AddNodeArguments(*command, arguments->node);
  command->callback([arguments, &status] {
    const auto done = RunDetach(*arguments);
    status = done ? kExitOk : Complain("detach " + arguments->name, done.error());
  });
}

void AddAttachmentsCommand(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("attachments", "list the attachments that you may see");
  auto arguments = std::make_shared<NodeArguments>();
  AddNodeArguments(*command, *arguments);
  command->callback([arguments, &status] {
    const auto done = RunAttachments(*arguments);
    status = done ? kExitOk : Complain("attachments", done.error());
  });
}

}  // namespace forebay::app
