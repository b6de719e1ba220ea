#include "src/origin/testing/origin_contract_cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "src/base/prng.h"
#include "src/origin/folder_mark.h"
#include "src/runtime/task_group.h"

namespace forebay::origin_contract {
namespace {

Task<Result<ObjectInfo>> Finish(std::unique_ptr<OriginUpload> upload, std::string text) {
  // In uneven pieces, one call with several parts.
  const Bytes all = AsBytes(text);
  const Bytes parts[] = {all.first(all.size() / 3), all.subspan(all.size() / 3)};
  auto done = co_await upload->Write(parts, {});
  const Bytes nothing[] = {Bytes()};
  if (done) done = co_await upload->Write(nothing, {});
  Result<ObjectInfo> info = Fail(Code::kInternal, "");
  if (done) {
    info = co_await upload->Commit({});
  } else {
    info = Fail(done.error());
  }
  if (!info) co_await upload->Abort();
  co_return info;
}

Task<Result<UploadedPart>> PutPartText(OriginHarness& h, std::string key, std::string id,
                                       uint32_t number, std::string text) {
  FB_CO_ASSIGN(auto upload, co_await h.origin().PutPart(h.env(), key, id, number, {}));
  FB_CO_ASSIGN(const ObjectInfo info, co_await Finish(std::move(upload), std::move(text)));
  co_return UploadedPart{.number = number, .etag = info.etag, .size = info.size};
}

}  // namespace

std::string Text(uint64_t seed, size_t size) {
  Prng prng(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(prng.Next());
  return text;
}

Task<Result<ObjectInfo>> PutText(OriginHarness& h, std::string key, std::string text,
                                 Condition condition) {
  FB_CO_ASSIGN(auto upload, co_await h.origin().Put(h.env(), key, std::move(condition), {}));
  co_return co_await Finish(std::move(upload), std::move(text));
}

Task<Result<std::string>> GetText(OriginHarness& h, std::string key, GetOptions options,
                                  size_t step) {
  FB_CO_ASSIGN(const auto body, co_await h.origin().Get(h.env(), key, std::move(options), {}));
  std::string text;
  std::vector<std::byte> buffer(step);
  for (;;) {
    FB_CO_ASSIGN(const size_t got, co_await body->Read(buffer, {}));
    if (got == 0) break;
    text.append(AsText(Bytes(buffer).first(got)));
  }
  EXPECT_EQ(text.size(), body->size());
  co_return text;
}

Task<void> HugeObjectIsRead(OriginHarness& h, std::string key, uint64_t size,
                            std::function<void(uint64_t offset, MutableBytes into)> bytes) {
  EXPECT_EQ((co_await h.origin().Head(h.env(), key, {}))->size, size);
  EXPECT_EQ((co_await h.origin().List(h.env(), {}, {}))->entries.at(0).info.size, size);
  std::vector<std::byte> right(5000);
  for (const uint64_t offset : {uint64_t{0}, size / 5 * 3 + 11, size - 5000}) {
    const auto got = co_await GetText(h, key, {.offset = offset, .size = 5000});
    bytes(offset, right);
    EXPECT_TRUE(got && AsText(right) == *got) << offset;
  }
  EXPECT_EQ((co_await GetText(h, key, {.offset = size - 3, .size = UINT64_MAX}))->size(), 3u);
  EXPECT_EQ((co_await GetText(h, key, {.offset = size, .size = 10})).value(), "");
}

Task<std::string> ListText(OriginHarness& h, ListOptions options) {
  std::string text;
  for (;;) {
    const auto page = co_await h.origin().List(h.env(), options, {});
    if (!page) co_return text + page.error().ToString();
    EXPECT_LE(page->entries.size(), options.limit);
    for (const ListEntry& entry : page->entries) {
      text += text.empty() ? entry.key : " " + entry.key;
      EXPECT_EQ(entry.info.etag.empty(), entry.is_prefix) << entry.key;
    }
    if (!page->more) co_return text;
    if (page->entries.empty()) co_return text + " an empty page, but more";
    options.after = page->entries.back().key;
  }
}

Task<void> WhatWasPutComesBack(OriginHarness& h) {
  uint64_t seed = 1;
  for (const size_t size : {0u, 1u, 999u, 1000u, 4096u, 300'000u}) {
    const std::string key = fmt::format("some/where/{}", size), text = Text(++seed, size);
    const auto put = co_await PutText(h, key, text);
    if (!put) {
      ADD_FAILURE() << put.error().ToString();
      co_return;
    }
    EXPECT_EQ(put->size, size);
    const auto head = co_await h.origin().Head(h.env(), key, {});
    EXPECT_TRUE(head && head->size == size && head->etag == put->etag);
    EXPECT_TRUE((co_await GetText(h, key)).value() == text);
    EXPECT_TRUE((co_await GetText(h, key, {.if_match = put->etag}, 1u << 20)).value() == text);
  }
}

Task<void> RangesAreCutAtTheEnd(OriginHarness& h) {
  const std::string text = Text(3, 10'000);
  EXPECT_TRUE(co_await PutText(h, "k", text));
  const std::pair<uint64_t, uint64_t> ranges[] = {{0, 1},       {1, 4095},   {4095, 2},
                                                  {9'999, 1},   {9'999, 50}, {5'000, UINT64_MAX},
                                                  {10'000, 10}, {20'000, 1}, {7, 0}};
  for (const auto& [offset, size] : ranges) {
    const uint64_t from = std::min<uint64_t>(offset, text.size());
    const auto got = co_await GetText(h, "k", {.offset = offset, .size = size}, 512);
    EXPECT_TRUE(got.value() == text.substr(from, size)) << offset << " " << size;
  }
  const auto body = (co_await h.origin().Get(h.env(), "k", {.offset = 9'000}, {})).value();
  EXPECT_EQ(body->info().size, text.size());
  EXPECT_EQ(body->size(), 1'000u);
  EXPECT_EQ((co_await body->Read({}, {})).value(), 0u);
}

Task<void> WhatIsNotThereIsNotFound(OriginHarness& h) {
  EXPECT_TRUE(co_await PutText(h, "dir/k", "x"));
  for (const char* key : {"none", "dir", "dir/none", "none/k", "dir/k/x"}) {
    EXPECT_EQ(CodeOf(co_await h.origin().Head(h.env(), key, {})), Code::kNotFound) << key;
    EXPECT_EQ(CodeOf(co_await h.origin().Get(h.env(), key, {}, {})), Code::kNotFound) << key;
    EXPECT_EQ(CodeOf(co_await h.origin().Get(h.env(), key, {.if_match = "x"}, {})),
              Code::kVersionChanged)
        << key;
    EXPECT_EQ(CodeOf(co_await h.origin().Delete(h.env(), key, {}, {})), Code::kNotFound) << key;
  }
  const auto missing = co_await h.origin().Head(h.env(), "none", {});
  EXPECT_NE(missing.error().message().find("none"), std::string::npos);
  EXPECT_NE(missing.error().message().find(h.origin().url()), std::string::npos);
}

Task<void> AnEtagNamesOneState(OriginHarness& h) {
  std::set<std::string> etags;
  std::string first;
  for (int i = 0; i < 6; ++i) {
    const auto put = co_await PutText(h, "k", Text(static_cast<uint64_t>(i), 100));
    EXPECT_TRUE(put && etags.insert(put->etag).second);
    if (i == 0) first = put->etag;
    const auto page = (co_await h.origin().List(h.env(), {.prefix = "k"}, {})).value();
    EXPECT_EQ(page.entries.at(0).info.etag, put->etag);
    EXPECT_EQ(page.entries.at(0).info.size, 100u);
    const auto body = (co_await h.origin().Get(h.env(), "k", {}, {})).value();
    EXPECT_EQ(body->info().etag, put->etag);
  }
  EXPECT_EQ(CodeOf(co_await h.origin().Get(h.env(), "k", {.if_match = first}, {})),
            Code::kVersionChanged);
}

Task<void> ABodyGivesOneVersion(OriginHarness& h) {
  const std::string old = Text(1, 100'000);
  EXPECT_TRUE(co_await PutText(h, "k", old));
  const auto body = (co_await h.origin().Get(h.env(), "k", {}, {})).value();
  std::vector<std::byte> buffer(10'000);
  std::string seen;
  for (int i = 0; seen.size() < old.size(); ++i) {
    if (i == 3) EXPECT_TRUE(co_await PutText(h, "k", Text(2, 100'000)));
    if (i == 5) EXPECT_TRUE(co_await h.origin().Delete(h.env(), "k", {}, {}));
    const auto got = co_await body->Read(buffer, {});
    if (!got) {
      EXPECT_EQ(got.error().code(), Code::kVersionChanged);
      co_return;
    }
    seen.append(AsText(Bytes(buffer).first(*got)));
  }
  EXPECT_TRUE(seen == old);
}

Task<void> WritesHappenOnlyUnderTheirCondition(OriginHarness& h) {
  Origin& origin = h.origin();
  const Condition absent{.if_absent = true};
  EXPECT_EQ(CodeOf(co_await PutText(h, "k", "0", {.if_match = "none"})), Code::kVersionChanged);
  const auto first = (co_await PutText(h, "k", "1", absent)).value();
  EXPECT_EQ(CodeOf(co_await PutText(h, "k", "2", absent)), Code::kAlreadyExists);
  const auto second = (co_await PutText(h, "k", "3", {.if_match = first.etag})).value();
  EXPECT_EQ(CodeOf(co_await PutText(h, "k", "4", {.if_match = first.etag})), Code::kVersionChanged);
  EXPECT_EQ((co_await GetText(h, "k")).value(), "3");
  EXPECT_EQ(CodeOf(co_await origin.Delete(h.env(), "k", {.if_match = first.etag}, {})),
            Code::kVersionChanged);
  EXPECT_TRUE(co_await origin.Delete(h.env(), "k", {.if_match = second.etag}, {}));
  // Decided at the end, not at the beginning.
  auto late = (co_await origin.Put(h.env(), "k", absent, {})).value();
  EXPECT_TRUE(co_await PutText(h, "k", "5"));
  EXPECT_EQ(CodeOf(co_await late->Commit({})), Code::kAlreadyExists);
  co_await late->Abort();
  EXPECT_EQ((co_await GetText(h, "k")).value(), "5");
}

namespace {

Task<void> TryToBeFirst(OriginHarness& h, int number, std::vector<int>* winners) {
  const auto put = co_await PutText(h, "lock", std::to_string(number), {.if_absent = true});
  if (put) winners->push_back(number);
  if (!put) EXPECT_EQ(put.error().code(), Code::kAlreadyExists);
}

Task<void> AddOne(OriginHarness& h, int* won) {
  const auto before = (co_await h.origin().Head(h.env(), "counter", {})).value();
  const int count = std::stoi((co_await GetText(h, "counter")).value());
  const auto put =
      co_await PutText(h, "counter", std::to_string(count + 1), {.if_match = before.etag});
  if (put) ++*won;
  if (!put) EXPECT_EQ(put.error().code(), Code::kVersionChanged);
}

}  // namespace

Task<void> OnlyOneOfManyIsFirst(OriginHarness& h) {
  TaskGroup group(h.env().executor);
  std::vector<int> winners;
  for (int i = 0; i < 8; ++i) group.Spawn(TryToBeFirst(h, i, &winners));
  co_await group.Join();
  EXPECT_EQ(winners.size(), 1u);
  EXPECT_EQ((co_await GetText(h, "lock")).value(), std::to_string(winners.at(0)));
  EXPECT_TRUE(co_await PutText(h, "counter", "0"));
  int won = 0;
  for (int i = 0; i < 8; ++i) group.Spawn(AddOne(h, &won));
  co_await group.Join();
  EXPECT_GE(won, 1);
  EXPECT_EQ((co_await GetText(h, "counter")).value(), std::to_string(won));
}

Task<void> UnfinishedWritesAreInvisible(OriginHarness& h) {
  EXPECT_TRUE(co_await PutText(h, "there", "old"));
  for (const char* key : {"there", "new"}) {
    auto upload = (co_await h.origin().Put(h.env(), key, {}, {})).value();
    const Bytes part = AsBytes("unfinished");
    EXPECT_TRUE(co_await upload->Write(std::span(&part, 1), {}));
    EXPECT_EQ(co_await ListText(h, {}), "there");
    co_await upload->Abort();
    EXPECT_FALSE(co_await upload->Commit({}));
  }
  EXPECT_EQ((co_await GetText(h, "there")).value(), "old");
  EXPECT_EQ(CodeOf(co_await GetText(h, "new")), Code::kNotFound);
  EXPECT_TRUE(co_await h.origin().Sweep(h.env()));
  EXPECT_EQ(co_await ListText(h, {}), "there");
  auto spent = (co_await h.origin().Put(h.env(), "new", {}, {})).value();
  EXPECT_TRUE(co_await spent->Commit({}));
  EXPECT_FALSE(co_await spent->Commit({}));
  co_await spent->Abort();
  EXPECT_EQ((co_await GetText(h, "new")).value(), "");
}

Task<void> DeletedIsGone(OriginHarness& h) {
  EXPECT_TRUE(co_await PutText(h, "a/b/c", "1"));
  EXPECT_TRUE(co_await PutText(h, "a/d", "2"));
  EXPECT_TRUE(co_await h.origin().Delete(h.env(), "a/b/c", {}, {}));
  EXPECT_EQ(CodeOf(co_await GetText(h, "a/b/c")), Code::kNotFound);
  EXPECT_EQ(co_await ListText(h, {}), "a/d");
  EXPECT_EQ(co_await ListText(h, {.prefix = "a/", .delimiter = "/"}), "a/d");
  EXPECT_TRUE(co_await PutText(h, "a/b", "an object where others were below"));
  EXPECT_EQ(co_await ListText(h, {}), "a/b a/d");
}

Task<void> ListsAreInByteOrder(OriginHarness& h) {
  for (const char* key : {"a-b", "a/b", "a/c/d", "a/c-", "a0", "b", "a/c0", "B", "\xc3\xa9"}) {
    EXPECT_TRUE(co_await PutText(h, key, "x"));
  }
  for (const uint32_t limit : {1u, 2u, 3u, 1000u}) {
    EXPECT_EQ(co_await ListText(h, {.limit = limit}), "B a-b a/b a/c- a/c/d a/c0 a0 b \xc3\xa9");
    EXPECT_EQ(co_await ListText(h, {.delimiter = "/", .limit = limit}), "B a-b a/ a0 b \xc3\xa9");
    EXPECT_EQ(co_await ListText(h, {.prefix = "a/", .delimiter = "/", .limit = limit}),
              "a/b a/c- a/c/ a/c0");
    EXPECT_EQ(co_await ListText(h, {.prefix = "a/c", .limit = limit}), "a/c- a/c/d a/c0");
    EXPECT_EQ(co_await ListText(h, {.prefix = "a/", .after = "a/c/d", .limit = limit}), "a/c0");
    EXPECT_EQ(co_await ListText(h, {.after = "a/c", .limit = limit}),
              "a/c- a/c/d a/c0 a0 b \xc3\xa9");
  }
  for (const char* prefix : {"none", "a/none", "none/", "b/", "a//", "/", "../", "a/./"}) {
    EXPECT_EQ(co_await ListText(h, {.prefix = prefix}), "") << prefix;
  }
  EXPECT_EQ(co_await ListText(h, {.prefix = "a/", .after = "b"}), "");
}

namespace {

/// What a listing of `keys` must be.
std::string ModelList(const std::set<std::string>& keys, const ListOptions& options) {
  std::set<std::string> told;
  for (const std::string& key : keys) {
    if (!key.starts_with(options.prefix)) continue;
    const size_t cut =
        options.delimiter.empty() ? std::string::npos : key.find('/', options.prefix.size());
    const std::string name = cut == std::string::npos ? key : key.substr(0, cut + 1);
    if (name > options.after) told.insert(name);
  }
  std::string text;
  for (const std::string& name : told) text += text.empty() ? name : " " + name;
  return text;
}

/// Few characters around '/', so that names often begin alike. Directories end with '+', so that
/// none of them is an object, too.
std::string RandomKey(Prng& prng) {
  constexpr std::string_view kCharacters = "-.0a";
  std::string key;
  for (uint64_t depth = prng.Below(4); depth > 0; --depth) {
    key += kCharacters[2 + prng.Below(2)];
    if (prng.OneIn(2)) key += kCharacters[prng.Below(kCharacters.size())];
    key += "+/";
  }
  key += kCharacters[2 + prng.Below(2)];
  while (prng.OneIn(2)) key += kCharacters[prng.Below(kCharacters.size())];
  return key;
}

}  // namespace

Task<void> ListsAgreeWithAModel(OriginHarness& h) {
  Prng prng(17);
  std::set<std::string> keys;
  for (int i = 0; i < 150; ++i) {
    const std::string key = RandomKey(prng);
    keys.insert(key);
    EXPECT_TRUE(co_await PutText(h, key, "x"));
  }
  for (int i = 0; i < 150; ++i) {
    ListOptions options;
    if (prng.OneIn(2)) options.prefix = RandomKey(prng).substr(0, prng.Below(6));
    if (prng.OneIn(2)) options.delimiter = "/";
    if (prng.OneIn(2)) options.after = RandomKey(prng).substr(0, prng.Below(8));
    options.limit = 1 + static_cast<uint32_t>(prng.Below(prng.OneIn(2) ? 5 : 200));
    const std::string want = ModelList(keys, options);
    const std::string got = co_await ListText(h, options);
    EXPECT_EQ(got, want) << options.prefix << " " << options.delimiter << " " << options.after;
    if (got != want) co_return;
  }
}

Task<void> FoldersCanBeMarked(OriginHarness& h) {
  Origin& origin = h.origin();
  const std::string mark = WithFolderMark("runs/"), inner = WithFolderMark("runs/a/");
  EXPECT_EQ(CodeOf(co_await origin.Head(h.env(), mark, {})), Code::kNotFound);
  EXPECT_TRUE(co_await PutText(h, mark, ""));
  EXPECT_TRUE(co_await PutText(h, inner, "of no use, but allowed"));
  EXPECT_TRUE(co_await PutText(h, "runs/a/1", "x"));
  EXPECT_TRUE(co_await PutText(h, "runs-b", "x"));
  EXPECT_EQ((co_await GetText(h, inner)).value(), "of no use, but allowed");
  EXPECT_EQ((co_await origin.Head(h.env(), mark, {}))->size, 0u);
  EXPECT_EQ(co_await ListText(h, {}), "runs-b " + mark + " " + inner + " runs/a/1");
  EXPECT_EQ(co_await ListText(h, {.limit = 1}), "runs-b " + mark + " " + inner + " runs/a/1");
  EXPECT_EQ(co_await ListText(h, {.delimiter = "/"}), "runs-b runs/");
  EXPECT_EQ(co_await ListText(h, {.prefix = "runs/", .delimiter = "/", .limit = 1}),
            mark + " runs/a/");
  EXPECT_EQ(co_await ListText(h, {.prefix = "runs/", .after = mark}), inner + " runs/a/1");
  EXPECT_TRUE(co_await origin.Delete(h.env(), mark, {}, {}));
  EXPECT_EQ(CodeOf(co_await origin.Head(h.env(), mark, {})), Code::kNotFound);
  EXPECT_EQ(co_await ListText(h, {}), "runs-b " + inner + " runs/a/1");
}

Task<void> WhatWasSaidIsTold(OriginHarness& h) {
  Origin& origin = h.origin();
  if (!origin.capabilities().attributes) co_return;
  const ObjectAttributes said = {{"cache-control", "no-store"},
                                 {"content-type", "text/x-a"},
                                 {"expires", "Thu, 01 Dec 2033 16:00:00 GMT"},
                                 {"x-amz-meta-a.b-c_d", "1"},
                                 {"x-amz-meta-plain", "two  words"}};
  auto upload = (co_await origin.Put(h.env(), "k", {}, {})).value();
  const auto described = co_await upload->Describe(said, {});
  if (!described && origin.url().starts_with("file://")) {
    // A file system that keeps no attributes, as the simulator's, says so.
    EXPECT_EQ(CodeOf(described), Code::kUnsupported);
    co_return co_await upload->Abort();
  }
  EXPECT_TRUE(described) << described.error().ToString();
  const Bytes bytes = AsBytes("text");
  EXPECT_TRUE(co_await upload->Write(std::span(&bytes, 1), {}));
  const auto put = (co_await upload->Commit({})).value();
  auto told = (co_await origin.Attributes(h.env(), "k", put.etag, {})).value();
  std::ranges::sort(told);
  EXPECT_EQ(told, said);
  EXPECT_EQ((co_await origin.Head(h.env(), "k", {}))->etag, put.etag);
  EXPECT_EQ((co_await origin.List(h.env(), {}, {}))->entries[0].info.etag, put.etag);

  const std::string id = (co_await origin.CreateDescribed(h.env(), "parts", said, {})).value();
  const auto part = (co_await PutPartText(h, "parts", id, 1, "text")).value();
  const auto whole = co_await origin.CompleteMultipart(h.env(), "parts", id, {part}, {}, {});
  EXPECT_TRUE(whole) << whole.error().ToString();
  if (!whole) co_return;
  told = (co_await origin.Attributes(h.env(), "parts", whole->etag, {})).value();
  std::ranges::sort(told);
  EXPECT_EQ(told, said);
  EXPECT_EQ(CodeOf(co_await origin.Attributes(h.env(), "k", "another", {})), Code::kVersionChanged);
}

Task<void> PartsBecomeOneObject(OriginHarness& h) {
  Origin& origin = h.origin();
  const std::string key = "big/object";
  const std::string id = (co_await origin.CreateMultipart(h.env(), key, {})).value();
  const size_t least = origin.capabilities().min_part_bytes;
  const std::string one = Text(1, std::max<size_t>(least, 50'000));
  const std::string two = Text(2, std::max<size_t>(least, 1'500'000)), five = Text(5, 10);
  std::vector<UploadedPart> parts(3);
  parts[2] = (co_await PutPartText(h, key, id, 5, five)).value();
  parts[0] = (co_await PutPartText(h, key, id, 1, "will be replaced")).value();
  parts[1] = (co_await PutPartText(h, key, id, 2, two)).value();
  const auto replaced = std::exchange(parts[0], (co_await PutPartText(h, key, id, 1, one)).value());
  EXPECT_NE(replaced.etag, parts[0].etag);
  const auto listed = (co_await origin.ListParts(h.env(), key, id, {})).value();
  EXPECT_TRUE(std::ranges::equal(listed, parts, [](const auto& a, const auto& b) {
    return a.number == b.number && a.etag == b.etag && a.size == b.size;
  }));
  EXPECT_EQ(co_await ListText(h, {}), "");
  const auto info = (co_await origin.CompleteMultipart(h.env(), key, id, parts, {}, {})).value();
  EXPECT_EQ(info.size, one.size() + two.size() + five.size());
  EXPECT_TRUE((co_await GetText(h, key, {.if_match = info.etag})).value() == one + two + five);
  EXPECT_EQ(co_await ListText(h, {}), key);
  EXPECT_EQ(CodeOf(co_await origin.ListParts(h.env(), key, id, {})), Code::kNotFound);
}

Task<void> WrongPartsAreRefusedByNumber(OriginHarness& h) {
  Origin& origin = h.origin();
  const std::string id = (co_await origin.CreateMultipart(h.env(), "k", {})).value();
  const auto one = (co_await PutPartText(h, "k", id, 1, "one")).value();
  const auto two = (co_await PutPartText(h, "k", id, 2, "two")).value();
  auto other = two;
  other.etag = one.etag;
  const UploadedPart missing{.number = 3, .etag = two.etag, .size = two.size};
  const std::vector<UploadedPart> wrong[] = {{one, missing}, {one, other}, {two, one}, {one, one}};
  const char* const named[] = {"part 3", "part 2", "part", "part"};
  for (size_t i = 0; i < std::size(wrong); ++i) {
    const auto done = co_await origin.CompleteMultipart(h.env(), "k", id, wrong[i], {}, {});
    EXPECT_EQ(CodeOf(done), Code::kInvalidArgument) << i;
    if (!done) EXPECT_NE(done.error().message().find(named[i]), std::string::npos) << i;
  }
  EXPECT_EQ(CodeOf(co_await origin.CompleteMultipart(h.env(), "k", id, {}, {}, {})),
            Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(co_await origin.PutPart(h.env(), "k", id, 0, {})), Code::kInvalidArgument);
  EXPECT_EQ(
      CodeOf(co_await origin.PutPart(h.env(), "k", id, origin.capabilities().max_parts + 1, {})),
      Code::kInvalidArgument);
  // Not all of them need be used, and what failed can be done right.
  EXPECT_TRUE(co_await origin.CompleteMultipart(h.env(), "k", id, {two}, {}, {}));
  EXPECT_EQ((co_await GetText(h, "k")).value(), "two");
}

Task<void> UploadsEnd(OriginHarness& h) {
  Origin& origin = h.origin();
  const std::string id = (co_await origin.CreateMultipart(h.env(), "k", {})).value();
  const std::string second = (co_await origin.CreateMultipart(h.env(), "k", {})).value();
  EXPECT_NE(id, second);
  const auto part = (co_await PutPartText(h, "k", id, 1, "one")).value();
  auto late = (co_await origin.PutPart(h.env(), "k", id, 2, {})).value();
  EXPECT_EQ(CodeOf(co_await origin.AbortMultipart(h.env(), "other", id, {})), Code::kNotFound);
  EXPECT_TRUE(co_await origin.AbortMultipart(h.env(), "k", id, {}));
  EXPECT_EQ(CodeOf(co_await late->Commit({})), Code::kNotFound);
  co_await late->Abort();
  EXPECT_EQ(CodeOf(co_await PutPartText(h, "k", id, 3, "x")), Code::kNotFound);
  EXPECT_EQ(CodeOf(co_await origin.CompleteMultipart(h.env(), "k", id, {part}, {}, {})),
            Code::kNotFound);
  EXPECT_EQ(CodeOf(co_await origin.AbortMultipart(h.env(), "k", id, {})), Code::kNotFound);
  for (const char* wrong : {"", "../..", "00000000000000000000000000000000"}) {
    EXPECT_EQ(CodeOf(co_await origin.ListParts(h.env(), "k", wrong, {})), Code::kNotFound);
  }
  // The condition is the object's.
  EXPECT_TRUE(co_await PutText(h, "k", "there"));
  const auto other = (co_await PutPartText(h, "k", second, 1, "two")).value();
  const Condition absent{.if_absent = true};
  EXPECT_EQ(CodeOf(co_await origin.CompleteMultipart(h.env(), "k", second, {other}, absent, {})),
            Code::kAlreadyExists);
  EXPECT_EQ((co_await GetText(h, "k")).value(), "there");
  EXPECT_TRUE(co_await origin.Sweep(h.env()));  // too young to be swept
  EXPECT_TRUE(co_await origin.CompleteMultipart(h.env(), "k", second, {other}, {}, {}));
  EXPECT_EQ((co_await GetText(h, "k")).value(), "two");
}

Task<void> LateAndCancelledCallsEnd(OriginHarness& h) {
  Origin& origin = h.origin();
  EXPECT_TRUE(co_await PutText(h, "k", "x"));
  (void)co_await h.env().clock.Sleep(std::chrono::milliseconds(1));
  const Call late{.deadline = {.ns = h.env().clock.Now().ns - 1}};
  EXPECT_EQ(CodeOf(co_await origin.Head(h.env(), "k", late)), Code::kDeadlineExceeded);
  EXPECT_EQ(CodeOf(co_await origin.Get(h.env(), "k", {}, late)), Code::kDeadlineExceeded);
  EXPECT_EQ(CodeOf(co_await origin.List(h.env(), {}, late)), Code::kDeadlineExceeded);
  EXPECT_EQ(CodeOf(co_await origin.Put(h.env(), "k", {}, late)), Code::kDeadlineExceeded);
  EXPECT_EQ(CodeOf(co_await origin.Delete(h.env(), "k", {}, late)), Code::kDeadlineExceeded);
  const auto body = (co_await origin.Get(h.env(), "k", {}, {})).value();
  std::byte byte[1];
  EXPECT_EQ(CodeOf(co_await body->Read(byte, late)), Code::kDeadlineExceeded);
  CancelSource source;
  source.Cancel();
  const Call cancelled{.cancel = source.token()};
  EXPECT_EQ(CodeOf(co_await origin.Head(h.env(), "k", cancelled)), Code::kCancelled);
  EXPECT_EQ(CodeOf(co_await origin.List(h.env(), {}, cancelled)), Code::kCancelled);
  // A write that missed a piece never becomes an object.
  auto upload = (co_await origin.Put(h.env(), "new", {}, {})).value();
  const Bytes part = AsBytes("lost");
  EXPECT_EQ(CodeOf(co_await upload->Write(std::span(&part, 1), late)), Code::kDeadlineExceeded);
  EXPECT_FALSE(co_await upload->Commit({}));
  co_await upload->Abort();
  EXPECT_EQ(co_await ListText(h, {}), "k");
}

}  // namespace forebay::origin_contract
