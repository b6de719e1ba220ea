#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "src/app/config/settings.h"
#include "src/app/config/values.h"
#include "src/base/units.h"

namespace forebay::app {
namespace {

using testing::HasSubstr;

Machine TestMachine() {
  return {.root = true,
          .uid = 0,
          .home = "/h",
          .runtime_directory = "",
          .data_home = "",
          .memory_bytes = 64 * kGiB,
          .cores = 4,
          .room_bytes = [](const std::string&) { return 1000 * kGiB; },
          .tier_bytes = [](const std::string&) { return uint64_t{0}; }};
}

Result<ResolvedConfig> FromFile(std::string_view text, const Machine& machine = TestMachine()) {
  FB_ASSIGN(const GivenSettings file, ReadToml(text, "f.toml"));
  return Resolve({}, {}, file, machine);
}

std::string ErrorOf(std::string_view text) {
  const auto resolved = FromFile(text);
  return resolved ? "no error" : resolved.error().message();
}

TEST(Config, DefaultsAreSharesOfTheMachine) {
  const auto resolved = FromFile("");
  ASSERT_TRUE(resolved) << resolved.error().message();
  const NodeConfig& config = resolved->config;
  EXPECT_EQ(config.data_directory, "/var/lib/forebay");
  EXPECT_EQ(config.listen, "127.0.0.1:7400");
  EXPECT_EQ(config.socket, "/run/forebay/forebay.sock");
  EXPECT_EQ(config.http, "127.0.0.1:7490");
  EXPECT_EQ(config.dram_bytes, 16 * kGiB);
  ASSERT_EQ(config.disks.size(), 1u);
  EXPECT_EQ(config.disks[0].directory, "/var/lib/forebay/disk");
  EXPECT_EQ(config.disks[0].size_bytes, 500 * kGiB);
  EXPECT_EQ(config.fill_budget_bytes, 512 * kMiB);
}

TEST(Config, LoopsFollowTheCores) {
  Machine machine = TestMachine();
  for (const auto& [cores, loops] : {std::pair(0u, 1u), {1u, 1u}, {4u, 4u}, {96u, 8u}}) {
    machine.cores = cores;
    const auto resolved = FromFile("", machine);
    ASSERT_TRUE(resolved);
    EXPECT_EQ(resolved->config.loops, loops) << cores;
  }
  EXPECT_EQ(FromFile("loops = 32", machine)->config.loops, 32u);
  EXPECT_THAT(ErrorOf("loops = 0"), HasSubstr("1 to 256 are possible"));
}

TEST(Config, AnOrdinaryUserGetsPlacesOfHisOwn) {
  Machine machine = TestMachine();
  machine.root = false;
  machine.uid = 1000;
  machine.home = "/users/x";
  auto resolved = FromFile("", machine);
  ASSERT_TRUE(resolved);
  EXPECT_EQ(resolved->config.data_directory, "/users/x/.local/share/forebay");
  EXPECT_EQ(resolved->config.socket, "/tmp/forebay-1000/forebay.sock");
  machine.runtime_directory = "/run/user/1000";
  machine.data_home = "/d";
  resolved = FromFile("", machine);
  ASSERT_TRUE(resolved);
  EXPECT_EQ(resolved->config.data_directory, "/d/forebay");
  EXPECT_EQ(resolved->config.socket, "/run/user/1000/forebay.sock");
}

TEST(Config, AFlagWinsOverAVariableAndAVariableOverTheFile) {
  const auto file = ReadToml("dram = \"1GiB\"\nwaiting = 5\nmetadata = \"2MiB\"", "f.toml");
  ASSERT_TRUE(file);
  const GivenSettings environment = ReadEnvironment([](const std::string& name) {
    return name == "FOREBAY_DRAM" || name == "FOREBAY_METADATA" ? std::optional<std::string>("2GiB")
                                                                : std::nullopt;
  });
  const auto resolved =
      Resolve({{"dram", {"3GiB", "flag --dram"}}}, environment, *file, TestMachine());
  ASSERT_TRUE(resolved) << resolved.error().message();
  EXPECT_EQ(resolved->config.dram_bytes, 3 * kGiB);
  EXPECT_EQ(resolved->config.metadata_bytes, 2 * kGiB);
  EXPECT_EQ(resolved->config.waiting, 5u);
  const std::string printed = PrintConfig(*resolved);
  EXPECT_THAT(printed, HasSubstr("# flag --dram: 3 GiB"));
  EXPECT_THAT(printed, HasSubstr("# variable FOREBAY_METADATA"));
  EXPECT_THAT(printed, HasSubstr("# f.toml:2"));
  EXPECT_THAT(printed, HasSubstr("# default"));
}

TEST(Config, ErrorsNameTheLineTheKeyTheValueAndTheFix) {
  EXPECT_EQ(ErrorOf("\n\ndrum = \"1GiB\""), "f.toml:3: unknown key 'drum'; did you mean 'dram'?");
  EXPECT_THAT(ErrorOf("drma = 1"), HasSubstr("did you mean 'dram'?"));
  EXPECT_EQ(ErrorOf("zzzzzzzz = 1"),
            "f.toml:1: unknown key 'zzzzzzzz'; `forebay node --help` lists the settings");
  EXPECT_THAT(ErrorOf("[node]\ndram = 1"), HasSubstr("unknown table 'node'"));
  EXPECT_THAT(ErrorOf("dram = \"12XB\""),
              HasSubstr("f.toml:1: dram: size '12XB': unknown suffix 'XB'; write it like"));
  EXPECT_THAT(ErrorOf("dram = -5"), HasSubstr("negative"));
  EXPECT_THAT(ErrorOf("dram = true"), HasSubstr("f.toml:1: dram wants a size"));
  EXPECT_THAT(ErrorOf("dram = [\"1GiB\"]"), HasSubstr("one value, not a list"));
  EXPECT_THAT(ErrorOf("dram = "), HasSubstr("f.toml:1: "));
  EXPECT_THAT(ErrorOf("m =[1, [}]]"), HasSubstr("f.toml: no TOML"));  // asserts in toml++ 3.3.0
  EXPECT_THAT(ErrorOf("d\xd1\xab"
                      "er;"),
              HasSubstr("f.toml:1: "));  // and this is undefined there
  EXPECT_THAT(ErrorOf("dram = 1\ndram = 2"), HasSubstr("f.toml:2: "));
  EXPECT_THAT(ErrorOf("listen = \"7400\""), HasSubstr("no port"));
  EXPECT_THAT(ErrorOf("listen = \"h:99999\""), HasSubstr("from 0 (any free one) to 65535"));
  EXPECT_THAT(ErrorOf("listen = \"::1:80\""), HasSubstr("brackets"));
  EXPECT_THAT(ErrorOf("grace = \"5 fortnights\""), HasSubstr("write it like 500ms, 90s"));
  EXPECT_THAT(ErrorOf("grace = \"20000h\""), testing::StrEq("no error"));
  EXPECT_THAT(ErrorOf("grace = \"200000h\""), HasSubstr("ten years"));
  EXPECT_THAT(ErrorOf("policy = \"mru\""), HasSubstr("'mru' is none of adaptive, pin"));
  EXPECT_THAT(ErrorOf("io = \"aio\""), HasSubstr("'aio' is none of auto, uring, epoll"));
  EXPECT_THAT(ErrorOf("connections = 0"), HasSubstr("1 to 1000000 are possible"));
  EXPECT_THAT(ErrorOf("disk = [\"/a=1GiB\", \"/b,c=1GiB\"]"), HasSubstr("comma"));
}

TEST(Config, ImpossibleSizesAreRefused) {
  EXPECT_THAT(ErrorOf("dram = \"1MiB\""), HasSubstr("give it at least 16 MiB"));
  EXPECT_THAT(ErrorOf("dram = \"900GiB\""),
              HasSubstr("dram = 900GiB (f.toml:1): with metadata = 256MiB (default)"));
  EXPECT_THAT(ErrorOf("dram = \"101%\""), HasSubstr("up to 100%"));
  EXPECT_THAT(ErrorOf("disk = \"2TiB\""), HasSubstr("has room for 1000 GiB"));
  EXPECT_THAT(ErrorOf("disk = \"4KiB\""), HasSubstr("too small for a tier"));
  EXPECT_THAT(ErrorOf("disk = [\"/a=0\"]"), HasSubstr("a disk of no size"));
  EXPECT_THAT(ErrorOf("metadata = \"1e30\""), HasSubstr("too large"));
}

TEST(Config, ContradictionsNameBothSides) {
  EXPECT_THAT(ErrorOf("listen = \"0.0.0.0:7400\""), HasSubstr("give it a file of tokens"));
  EXPECT_EQ(ErrorOf("listen = \"0.0.0.0:7400\"\ntokens = \"/t\""), "no error");
  EXPECT_THAT(ErrorOf("listen = \"none\"\nsocket = \"none\""), HasSubstr("nobody could reach"));
  EXPECT_THAT(ErrorOf("http = \"127.0.0.1:7400\""), HasSubstr("the same address"));
  EXPECT_THAT(ErrorOf("disk = [\"/a=1GiB\", \"/a/=2GiB\"]"), HasSubstr("/a is named twice"));
  EXPECT_THAT(ErrorOf("dram = \"64MiB\"\nfill_budget = \"128MiB\""),
              HasSubstr("fill_budget = 128MiB (f.toml:2) contradicts dram = 64MiB (f.toml:1)"));
  EXPECT_THAT(ErrorOf("origin_range = \"1GiB\""), HasSubstr("contradicts fill_budget"));
  EXPECT_THAT(ErrorOf("socket = \"/" + std::string(120, 's') + "\""),
              HasSubstr("the kernel takes"));
}

TEST(Config, BudgetsThatNobodyNamedFollowTheMemory) {
  const auto resolved = FromFile("dram = \"64MiB\"");
  ASSERT_TRUE(resolved) << resolved.error().message();
  EXPECT_EQ(resolved->config.fill_budget_bytes, 32 * kMiB);
  EXPECT_EQ(resolved->config.flush_backlog_bytes, 32 * kMiB);
}

TEST(Config, DisksAreAListOfDirectoriesAndSizes) {
  for (const char* text :
       {"disk = [\"/a=1GiB\", \"/b=10%\", \"2GiB\"]", "disk = \"/a=1GiB, /b=10%,2GiB\""}) {
    const auto resolved = FromFile(text);
    ASSERT_TRUE(resolved) << resolved.error().message();
    const auto& disks = resolved->config.disks;
    ASSERT_EQ(disks.size(), 3u);
    EXPECT_EQ(disks[0].directory, "/a");
    EXPECT_EQ(disks[1].size_bytes, 100 * kGiB);
    EXPECT_EQ(disks[2].directory, "/var/lib/forebay/disk");
  }
  for (const char* none : {"disk = 0", "disk = \"none\"", "disk = []", "disk = \"0\""}) {
    const auto resolved = FromFile(none);
    ASSERT_TRUE(resolved) << resolved.error().message();
    EXPECT_TRUE(resolved->config.disks.empty());
  }
}

TEST(Config, ATierThatIsAboutRightKeepsItsSize) {
  Machine machine = TestMachine();
  machine.tier_bytes = [](const std::string&) { return 480 * kGiB; };
  auto resolved = FromFile("", machine);
  ASSERT_TRUE(resolved);
  EXPECT_EQ(resolved->config.disks[0].size_bytes, 480 * kGiB);
  machine.tier_bytes = [](const std::string&) { return 200 * kGiB; };
  resolved = FromFile("", machine);
  ASSERT_TRUE(resolved);
  EXPECT_EQ(resolved->config.disks[0].size_bytes, 500 * kGiB);
}

TEST(Config, LoopbackIsToldFromNamesThatLookLikeIt) {
  EXPECT_TRUE(IsLoopback("127.0.0.1:1"));
  EXPECT_TRUE(IsLoopback("127.9.9.9:1"));
  EXPECT_TRUE(IsLoopback("[::1]:1"));
  EXPECT_TRUE(IsLoopback("localhost:1"));
  EXPECT_FALSE(IsLoopback("127.evil.example:1"));
  EXPECT_FALSE(IsLoopback("0.0.0.0:1"));
  EXPECT_FALSE(IsLoopback("[::]:1"));
  EXPECT_FALSE(IsLoopback("10.0.0.1:1"));
}

TEST(Config, WhatIsPrintedReadsBackTheSame) {
  const auto first = FromFile(
      "data = \"/d \\\" \\\\ \\u0007\"\ndram = \"3%\"\ndisk = [\"/x=1GiB\", \"5%\"]\n"
      "grace = \"1.5s\"\nwaiting = 77\ntokens = \"/t\"");
  ASSERT_TRUE(first) << first.error().message();
  const auto again = FromFile(PrintConfig(*first));
  ASSERT_TRUE(again) << again.error().message();
  for (const auto& [name, given] : first->chosen) {
    EXPECT_EQ(again->chosen.find(name)->second.text, given.text) << name;
  }
}

TEST(Config, WhatIsPrintedReadsBackWhereDefaultsGaveWay) {
  const auto first = FromFile("dram = \"53MiB\"");
  ASSERT_TRUE(first) << first.error().message();
  const auto again = FromFile(PrintConfig(*first));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->config.fill_budget_bytes, first->config.fill_budget_bytes);
  EXPECT_EQ(again->config.flush_backlog_bytes, first->config.flush_backlog_bytes);
  EXPECT_EQ(again->config.origin_range_bytes, first->config.origin_range_bytes);
}

TEST(Config, ACountHasNoZerosBeforeIt) {
  const auto refused = FromFile("weight = \"0100\"");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("'0100' is no count"));
  EXPECT_TRUE(FromFile("weight = \"0\""));
}

TEST(Config, EverySettingHasAFlagAndAVariable) {
  const Setting* setting = FindSetting("fill_budget");
  ASSERT_NE(setting, nullptr);
  EXPECT_EQ(setting->flag(), "--fill-budget");
  EXPECT_EQ(setting->variable(), "FOREBAY_FILL_BUDGET");
  EXPECT_EQ(FindSetting("nothing"), nullptr);
}

TEST(Config, DurationsReadBack) {
  for (const int64_t ns : {0LL, 1LL, 1500LL, 2'000'000LL, 90'000'000'000LL, 7'200'000'000'000LL}) {
    const auto parsed = ParseDuration(FormatDuration(Duration(ns)));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->count(), ns);
  }
  EXPECT_FALSE(ParseDuration("5"));
  EXPECT_FALSE(ParseDuration("-1s"));
  EXPECT_FALSE(ParseDuration("nan s"));
  EXPECT_FALSE(ParseDuration("inf"));
  EXPECT_FALSE(ParseDuration("1e300h"));
}

TEST(Config, ThePageInTheDocsShowsThisTable) {
  const std::ifstream file(FOREBAY_CONFIGURATION_PAGE);
  std::stringstream page;
  page << file.rdbuf();
  EXPECT_THAT(page.str(), HasSubstr(SettingsMarkdown()))
      << "write what `forebay node --print-settings` prints into docs/CONFIGURATION.md";
}

}  // namespace
}  // namespace forebay::app
