// How all nodes of a cell are, once a second.
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "src/app/cli/interrupt.h"
#include "src/app/cli/session.h"
#include "src/app/cli/status_figure.h"
#include "src/app/cli/text.h"
#include "src/app/commands.h"
#include "src/app/exit_status.h"
#include "src/base/json_string.h"
#include "src/base/units.h"

namespace forebay::app {
namespace {

constexpr int kEveryMs = 1000;
constexpr int kUsualRows = 24;

struct Arguments {
  NodeArguments node;
  bool once = false;
  bool json = false;
};

/// What a node has counted so far, and holds now.
struct Figures {
  uint64_t uptime_ms = 0;
  uint64_t hits = 0, misses = 0;
  uint64_t origin_bytes = 0;
  uint64_t peer_in_bytes = 0, peer_out_bytes = 0;
  uint64_t memory_bytes = 0, disk_bytes = 0;
  uint64_t errors = 0;

  static Figures Of(std::string_view json) {
    const auto figure = [json](std::string_view group, std::string_view name) {
      return StatusFigure(json, group, name);
    };
    return {.uptime_ms = figure("process", "uptime_ms"),
            .hits = figure("read", "hits"),
            .misses = figure("read", "misses"),
            .origin_bytes = figure("origin", "bytes"),
            .peer_in_bytes = figure("peer", "bytes"),
            .peer_out_bytes = figure("peer", "served_bytes"),
            .memory_bytes = figure("memory", "used_bytes"),
            .disk_bytes = DisksFigure(json, "used_bytes"),
            .errors =
                figure("origin", "errors") + figure("read", "errors") + figure("write", "errors")};
  }
};

/// Of one second, or what it was.
struct Rates {
  double hits = 0, misses = 0, origin_bytes = 0, peer_in_bytes = 0, peer_out_bytes = 0;

  Rates& operator+=(const Rates& other) {
    hits += other.hits;
    misses += other.misses;
    origin_bytes += other.origin_bytes;
    peer_in_bytes += other.peer_in_bytes;
    peer_out_bytes += other.peer_out_bytes;
    return *this;
  }
};

struct Row {
  client::NodeStatus status;
  std::optional<Figures> now;  // none: it did not answer
  std::optional<Rates> rates;  // none: it did not answer before
};

struct Sample {
  double at = 0;
  std::vector<Row> rows;
};

std::optional<Rates> RatesOf(const Figures& before, const Figures& now, double seconds) {
  if (now.uptime_ms < before.uptime_ms || seconds <= 0) return std::nullopt;  // it has restarted
  const auto rate = [seconds](uint64_t from, uint64_t to) {
    return to > from ? static_cast<double>(to - from) / seconds : 0;
  };
  return Rates{.hits = rate(before.hits, now.hits),
               .misses = rate(before.misses, now.misses),
               .origin_bytes = rate(before.origin_bytes, now.origin_bytes),
               .peer_in_bytes = rate(before.peer_in_bytes, now.peer_in_bytes),
               .peer_out_bytes = rate(before.peer_out_bytes, now.peer_out_bytes)};
}

/// Who needs a look comes first, who is gone last.
int Rank(const std::string& state) {
  return state == "silent" ? 0 : state == "leaving" ? 1 : state == "gone" ? 3 : 2;
}

Result<Sample> Take(client::Client& client, const std::optional<Sample>& before) {
  FB_ASSIGN(std::vector<client::NodeStatus> statuses, client.StatusOfAll());
  Sample sample{.at = SecondsNow(), .rows = {}};
  std::map<std::string, const Row*> rows;
  if (before) {
    for (const Row& row : before->rows) rows[row.status.name] = &row;
  }
  for (client::NodeStatus& status : statuses) {
    Row row{.status = std::move(status), .now = {}, .rates = {}};
    if (!row.status.json.empty()) row.now = Figures::Of(row.status.json);
    const auto then = rows.find(row.status.name);
    if (row.now && then != rows.end() && then->second->now) {
      row.rates = RatesOf(*then->second->now, *row.now, sample.at - before->at);
    }
    sample.rows.push_back(std::move(row));
  }
  std::ranges::sort(sample.rows, {}, [](const Row& row) {
    return std::pair(Rank(row.status.state), row.status.name);
  });
  return sample;
}

// -- For people

std::string Line(const std::string& name, const std::string& state,
                 const std::optional<Figures>& now, const std::optional<Rates>& rates) {
  const auto rate = [&](double Rates::* field) {
    return rates ? FormatRate((*rates).*field) : "-";
  };
  const auto count = [&](double Rates::* field) {
    return rates ? fmt::format("{:.0f}", (*rates).*field) : "-";
  };
  const auto size = [&](uint64_t Figures::* field) {
    return now ? FormatSize((*now).*field) : "-";
  };
  return fmt::format("{:<20} {:<8} {:>8} {:>8} {:>11} {:>11} {:>11} {:>11} {:>11} {:>7}", name,
                     state, count(&Rates::hits), count(&Rates::misses), rate(&Rates::origin_bytes),
                     rate(&Rates::peer_in_bytes), rate(&Rates::peer_out_bytes),
                     size(&Figures::memory_bytes), size(&Figures::disk_bytes),
                     now ? fmt::format("{}", now->errors) : "-");
}

/// The nodes together, as far as they answered.
std::string SumLine(const Sample& sample) {
  Figures now;
  Rates rates;
  for (const Row& row : sample.rows) {
    if (row.rates) rates += *row.rates;
    if (!row.now) continue;
    now.memory_bytes += row.now->memory_bytes;
    now.disk_bytes += row.now->disk_bytes;
    now.errors += row.now->errors;
  }
  return Line("all", fmt::format("{}", sample.rows.size()), now, rates);
}

/// At most `most` of them; the last says how many more there are.
std::vector<std::string> Lines(const Sample& sample, size_t most) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("{:<20} {:<8} {:>8} {:>8} {:>11} {:>11} {:>11} {:>11} {:>11} {:>7}",
                              "NODE", "STATE", "HITS/s", "MISSES/s", "ORIGIN", "PEERS IN",
                              "PEERS OUT", "MEMORY", "DISK", "ERRORS"));
  const size_t room = most > 4 ? most - 4 : 1;
  const size_t shown = std::min(sample.rows.size(), room);
  for (size_t i = 0; i < shown; ++i) {
    const Row& row = sample.rows[i];
    std::string line = Line(row.status.name, row.status.state, row.now, row.rates);
    if (!row.status.why.empty()) line += "  " + Visible(row.status.why);
    lines.push_back(std::move(line));
  }
  if (sample.rows.size() > 1) lines.push_back(SumLine(sample));
  if (shown < sample.rows.size()) {
    lines.push_back(fmt::format("and {} more: make the window larger, or --once shows all",
                                sample.rows.size() - shown));
  }
  return lines;
}

void PrintLines(const Sample& sample) {
  for (const std::string& line : Lines(sample, SIZE_MAX)) fmt::print("{}\n", line);
}

/// The terminal's other screen, for as long as it is shown there.
class Screen {
 public:
  Screen() { fmt::print("\x1b[?1049h\x1b[?25l"); }
  ~Screen() {
    std::fputs("\x1b[?25h\x1b[?1049l", stdout);
    std::fflush(stdout);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void Show(const Sample& sample) {
    winsize size{};
    const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0;
    const size_t columns = known && size.ws_col > 0 ? size.ws_col : SIZE_MAX;
    std::string text = "\x1b[H";
    for (std::string& line : Lines(sample, known ? size.ws_row : kUsualRows)) {
      if (line.size() > columns) line.resize(columns);
      text += line + "\x1b[K\r\n";
    }
    fmt::print("{}\x1b[J", text);
  }
};

// -- For programs: an object a line

std::string Json(const Row& row) {
  std::string json = fmt::format("{{\"name\": {}, \"state\": {}", JsonString(row.status.name),
                                 JsonString(row.status.state));
  if (!row.status.why.empty()) json += fmt::format(", \"why\": {}", JsonString(row.status.why));
  if (row.rates) {
    json += fmt::format(
        ", \"hits_per_s\": {:.1f}, \"misses_per_s\": {:.1f}, \"origin_bytes_per_s\": {:.0f}, "
        "\"peer_in_bytes_per_s\": {:.0f}, \"peer_out_bytes_per_s\": {:.0f}",
        row.rates->hits, row.rates->misses, row.rates->origin_bytes, row.rates->peer_in_bytes,
        row.rates->peer_out_bytes);
  }
  if (row.now) {
    std::string status = row.status.json;
    std::ranges::replace(status, '\n', ' ');
    json +=
        fmt::format(", \"memory_bytes\": {}, \"disk_bytes\": {}, \"errors\": {}, \"status\": {}",
                    row.now->memory_bytes, row.now->disk_bytes, row.now->errors, status);
  }
  return json + "}";
}

void PrintJson(const Sample& sample) {
  fmt::print("{{\"nodes\": [");
  const char* separator = "";
  for (const Row& row : sample.rows) {
    fmt::print("{}{}", separator, Json(row));
    separator = ", ";
  }
  fmt::print("]}}\n");
}

/// Until the next look, or Ctrl-C.
void Pause() {
  poll(nullptr, 0, kEveryMs);
}

Result<void> Run(const Arguments& arguments) {
  NoteInterrupts();
  FB_ASSIGN(Session session, Session::Connect(arguments.node));
  FB_ASSIGN(std::optional<Sample> last, Take(session.client(), std::nullopt));
  std::optional<Screen> screen;
  const bool live = !arguments.once && !arguments.json && isatty(STDOUT_FILENO) == 1;
  if (live) screen.emplace().Show(*last);
  FB_TRY(FlushOutput());
  do {
    Pause();
    if (Interrupted()) break;
    FB_ASSIGN(last, Take(session.client(), last));
    if (live) {
      screen->Show(*last);
    } else if (arguments.json) {
      PrintJson(*last);
    } else {
      PrintLines(*last);
    }
    FB_TRY(FlushOutput());
  } while (!arguments.once);
  return {};
}

}  // namespace

void AddTopCommand(CLI::App& app, int& status) {
  CLI::App* command =
      app.add_subcommand("top", "what all nodes of the cell are doing, second by second");
  auto arguments = std::make_shared<Arguments>();
  command->add_flag("--once", arguments->once, "look for one second, print, and end");
  command->add_flag("--json", arguments->json,
                    "an object a line for each second, with the whole status of every node");
  AddNodeArguments(*command, arguments->node);
  command->footer(
      "The node that is asked asks the others; one that does not answer within a second is "
      "silent.\n"
      "Errors are those of reads, writes and requests to origins since a node's start.\n\n"
      "Examples:\n  forebay top\n  forebay top --once\n"
      "  forebay top --once --json | jq '.nodes[] | {name, origin_bytes_per_s}'\n");
  command->callback([arguments, &status] {
    const auto done = Run(*arguments);
    status = done ? kExitOk : Complain("top", done.error());
  });
}

}  // namespace forebay::app
