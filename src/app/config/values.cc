#include "src/app/config/values.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "src/base/units.h"

namespace forebay::app {
namespace {

struct TimeUnit {
  std::string_view name;
  int64_t ns;
};
constexpr TimeUnit kTimeUnits[] = {
    {"h", 3'600'000'000'000}, {"m", 60'000'000'000}, {"s", 1'000'000'000},
    {"ms", 1'000'000},        {"us", 1'000},         {"ns", 1}};
constexpr double kLongestNs = 9.0e18;  // some 285 years
constexpr uint32_t kMaxPort = 65535;
constexpr size_t kMaxPathBytes = 4095;
constexpr size_t kMaxDisks = 64;

Result<std::pair<double, std::string_view>> SplitNumber(std::string_view text) {
  double number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc() || !std::isfinite(number) || number < 0) {
    return Fail(Code::kInvalidArgument, "");
  }
  return std::pair(number, text.substr(static_cast<size_t>(end - text.data())));
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

}  // namespace

Result<Duration> ParseDuration(std::string_view text) {
  const auto fail = [&] {
    return Fail(Code::kInvalidArgument,
                fmt::format("'{}' is no duration; write it like 500ms, 90s, 5m or 2h", text));
  };
  const auto split = SplitNumber(text);
  if (!split) return fail();
  const auto [number, suffix] = *split;
  if (suffix.empty() && number == 0) return Duration(0);
  for (const TimeUnit& unit : kTimeUnits) {
    if (suffix != unit.name) continue;
    const double ns = number * static_cast<double>(unit.ns);
    if (ns > kLongestNs) return fail();
    return Duration(std::llround(ns));
  }
  return fail();
}

std::string FormatDuration(Duration duration) {
  for (const TimeUnit& unit : kTimeUnits) {
    if (duration.count() != 0 && duration.count() % unit.ns == 0) {
      return fmt::format("{}{}", duration.count() / unit.ns, unit.name);
    }
  }
  return "0s";
}

Result<Amount> ParseAmount(std::string_view text) {
  if (!text.ends_with('%')) {
    FB_ASSIGN(const uint64_t bytes, ParseSize(text));
    return Amount{.bytes = bytes};
  }
  const auto split = SplitNumber(text);
  if (!split || split->second != "%" || split->first > 100) {
    return Fail(Code::kInvalidArgument,
                fmt::format("'{}' is no share; write it like 25%, up to 100%", text));
  }
  return Amount{.share = split->first / 100};
}

Result<uint64_t> ParseCount(std::string_view text) {
  uint64_t count = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), count);
  // Zeros before it are octal to some, and no TOML.
  const bool zeros_first = text.size() > 1 && text.front() == '0';
  if (ec != std::errc() || end != text.data() + text.size() || zeros_first) {
    return Fail(
        Code::kInvalidArgument,
        fmt::format("'{}' is no count; write a whole number without zeros before it, like 256",
                    text));
  }
  return count;
}

Result<std::string> ParseListen(std::string_view text) {
  if (text.empty() || text == "none") return std::string();
  const auto fail = [&](std::string_view why) {
    return Fail(Code::kInvalidArgument,
                fmt::format("'{}': {}; write HOST:PORT, [IPV6]:PORT or none", text, why));
  };
  const size_t colon = text.find_last_of(':');
  if (colon == std::string_view::npos) return fail("no port");
  const std::string_view host = text.substr(0, colon);
  if (host.empty()) return fail("no host; every interface is 0.0.0.0");
  if (host.find(':') != std::string_view::npos && !(host.front() == '[' && host.back() == ']')) {
    return fail("an IPv6 address stands in brackets");
  }
  if (host.find_first_of(std::string_view("/ \0", 3)) != std::string_view::npos) {
    return fail("no name of a host");
  }
  const auto port = ParseCount(text.substr(colon + 1));
  if (!port || *port > kMaxPort) return fail("a port is a number from 0 (any free one) to 65535");
  return std::string(text);
}

namespace {

bool IsMadeOf(std::string_view text, std::string_view further) {
  return std::ranges::all_of(text, [further](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || further.contains(c);
  });
}

}  // namespace

Result<std::string> ParseHostName(std::string_view text) {
  if (text.empty() || text == "none") return std::string();
  if (!IsMadeOf(text, "-.") || text.starts_with('.') || text.ends_with('.')) {
    return Fail(Code::kInvalidArgument,
                fmt::format("'{}' is no name of a host in lower case, like s3.example.org", text));
  }
  return std::string(text);
}

Result<std::string> ParseOrigin(std::string_view text) {
  if (text.empty() || text == "none") return std::string();
  if (text.starts_with('/')) return fmt::format("file://{}", text);
  if (text.find("://") == text.npos) {
    return Fail(Code::kInvalidArgument,
                fmt::format("'{}' is no origin; write file:///DIR, s3://BUCKET or azure://ACCOUNT/"
                            "CONTAINER",
                            text));
  }
  return std::string(text);
}

Result<std::string> ParseRegion(std::string_view text) {
  if (text.empty() || !IsMadeOf(text, "-")) {
    return Fail(Code::kInvalidArgument,
                fmt::format("'{}' is no name of a region, like us-east-1", text));
  }
  return std::string(text);
}

bool IsLoopback(std::string_view address) {
  const std::string_view host = address.substr(0, address.find_last_of(':'));
  if (host == "localhost" || host == "[::1]") return true;
  // A name such as 127.example.org is not of this machine.
  return host.starts_with("127.") &&
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

Result<std::string> ParsePath(std::string_view text) {
  if (text.empty()) return Fail(Code::kInvalidArgument, "'' is no path");
  if (text.find('\0') != std::string_view::npos) {
    return Fail(Code::kInvalidArgument, "a path cannot contain NUL");
  }
  if (text.size() > kMaxPathBytes) {
    return Fail(Code::kInvalidArgument,
                fmt::format("a path of {} bytes; {} are the limit", text.size(), kMaxPathBytes));
  }
  while (text.size() > 1 && text.back() == '/') text.remove_suffix(1);
  return std::string(text);
}

Result<std::vector<DiskConfig>> ParseDisks(std::string_view text) {
  std::vector<DiskConfig> disks;
  if (text == "0" || text == "none" || text.empty()) return disks;
  while (true) {
    const size_t comma = text.find(',');
    const std::string_view item = Trim(text.substr(0, comma));
    const size_t equals = item.find_last_of('=');
    DiskConfig disk;
    if (equals != std::string_view::npos) {
      FB_ASSIGN(disk.directory, ParsePath(Trim(item.substr(0, equals))));
    }
    const std::string_view size =
        equals == std::string_view::npos ? item : Trim(item.substr(equals + 1));
    FB_ASSIGN(disk.amount, ParseAmount(size));
    if (disk.amount.bytes == 0 && disk.amount.share == 0) {
      return Fail(Code::kInvalidArgument,
                  fmt::format("'{}': a disk of no size; leave it out, or write 0 alone", item));
    }
    disks.push_back(std::move(disk));
    if (disks.size() > kMaxDisks) {
      return Fail(Code::kInvalidArgument, fmt::format("more than {} disks", kMaxDisks));
    }
    if (comma == std::string_view::npos) return disks;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace forebay::app
