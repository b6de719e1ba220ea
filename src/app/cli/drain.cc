#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <memory>

#include "src/app/cli/interrupt.h"
#include "src/app/cli/many.h"
#include "src/app/cli/progress.h"
#include "src/app/cli/session.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"
#include "src/base/units.h"

namespace forebay::app {
namespace {

/// Stripes of names that are handed over at the same time.
constexpr unsigned kJobs = 4;

struct Arguments {
  NodeArguments node;
  std::string budget;
  bool undo = false;
};

/// One drain of the node that was asked.
class Drain {
 public:
  Drain(client::Client& client, uint64_t budget) : client_(client), budget_(budget) {}

  Result<void> Run() {
    FB_TRY(client_.CellText(wire::CellAction::kLeave));
    Progress progress("handing over", 0);
    FB_ASSIGN(const client::HandedOver none, client_.HandOver(UINT32_MAX, 0));
    const auto done = ForAll(none.stripes, kJobs, [&](size_t stripe) {
      return RunStripe(static_cast<uint32_t>(stripe), progress);
    });
    seconds_ = progress.seconds();
    return done;
  }

  void PrintSummary() const {
    fmt::print(
        "{} handed over in {:.1f} s{}{}\nthis node owns nothing now and may be stopped; "
        "`forebay drain --undo` takes it back\n",
        FormatSize(bytes_), seconds_,
        failed_ > 0 ? fmt::format(", {} parts failed", failed_.load()) : "",
        bytes_ >= budget_ ? ", as much as the budget allows" : "");
  }

 private:
  Result<void> RunStripe(uint32_t stripe, Progress& progress) {
    for (uint32_t skip = 0; bytes_ < budget_ && !Interrupted();) {
      FB_ASSIGN(const client::HandedOver handed, client_.HandOver(stripe, skip));
      bytes_ += handed.bytes;
      failed_ += handed.failed;
      progress.Add(handed.bytes);
      skip += handed.parts;
      if (!handed.more) return {};
    }
    return {};
  }

  client::Client& client_;
  const uint64_t budget_;
  double seconds_ = 0;
  std::atomic<uint64_t> bytes_ = 0;
  std::atomic<uint64_t> failed_ = 0;
};

Result<void> Run(const Arguments& arguments) {
  NoteInterrupts();
  uint64_t budget = UINT64_MAX;
  if (!arguments.budget.empty()) {
    FB_ASSIGN(budget, ParseSize(arguments.budget));
  }
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  if (arguments.undo) {
    FB_TRY(session.client().CellText(wire::CellAction::kStay));
    fmt::print("this node owns again\n");
    return {};
  }
  Drain drain(session.client(), budget);
  const auto done = drain.Run();
  if (done) drain.PrintSummary();
  return done;
}

}  // namespace

void AddDrainCommand(CLI::App& app, int& status) {
  CLI::App* command =
      app.add_subcommand("drain", "make the node own nothing, and hand over what it has");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--budget", arguments->budget, "bytes to hand over at most: 200GiB [all]");
  command->add_flag("--undo", arguments->undo, "own again");
  AddNodeArguments(*command, arguments->node);
  command->footer(
      "Before a node goes for good. Others own its chunks from then on, and take from it what it\n"
      "has of them, so that the origin is not asked for that again. It goes on serving until it "
      "is\n"
      "stopped; started again, it owns again. A node that comes back soon, with its disk, needs "
      "no\n"
      "drain.\n\n"
      "Examples:\n  forebay drain\n  forebay drain --budget 100GiB --node 10.1.2.17:7400\n");
  command->callback([arguments, &status] {
    const auto done = Run(*arguments);
    status = done ? kExitOk : Complain("drain", done.error());
  });
}

}  // namespace forebay::app
