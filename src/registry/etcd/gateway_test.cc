// The words of the gateway, as etcd 3.4 has been heard to say them.
#include "src/registry/etcd/gateway.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "src/registry/etcd/json.h"
#include "src/registry/etcd/object_splitter.h"

namespace forebay::etcd {
namespace {

TEST(EtcdJson, ReadsNumbersTextsAndBytesAndNothingElse) {
  const Json json = Json::Parse(R"({"a":"9223372036854775807","b":-7,"c":"x","d":true,
      "e":"AP8=","f":[1,{"g":"h"}],"i":9223372036854775808,"j":1.5,"k":null,"l":"\u00e9\n"})")
                        .value();
  EXPECT_EQ(json.Get("a").Int().value(), INT64_MAX);
  EXPECT_EQ(json.Get("b").Int().value(), -7);
  EXPECT_EQ(json.Get("nothing").Int().value(), 0);
  EXPECT_EQ(json.Get("k").Int().value(), 0);
  for (const char* no_number : {"c", "d", "f", "i", "j"}) {
    EXPECT_EQ(json.Get(no_number).Int().error().code(), Code::kCorrupt) << no_number;
  }
  EXPECT_TRUE(json.Get("d").Bool());
  EXPECT_FALSE(json.Get("c").Bool());
  EXPECT_EQ(json.Get("e").Binary().value(), std::string("\0\xff", 2));
  EXPECT_EQ(json.Get("c").Binary().error().code(), Code::kCorrupt);
  EXPECT_EQ(json.Get("l").Text(), "\xc3\xa9\n");
  ASSERT_EQ(json.Get("f").Items().size(), 2u);
  EXPECT_EQ(json.Get("f").Items()[1].Get("g").Text(), "h");
  EXPECT_EQ(json.Get("f").Get("g").Text(), "");
  EXPECT_EQ(json.Get("c").Get("d").Get("e").Items().size(), 0u);
}

TEST(EtcdJson, RefusesWhatIsNone) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("{}{}"), std::string("{\"a\":}"),
        std::string("{'a':1}"), std::string(100'000, '['),
        std::string(17, '[') + std::string(17, ']'), std::string("\"\xff\"")}) {
    EXPECT_FALSE(Json::Parse(text).has_value()) << text.substr(0, 20);
  }
  EXPECT_TRUE(Json::Parse(std::string(16, '[') + std::string(16, ']')).has_value());
  EXPECT_EQ(JsonText("a\"\\\n\xff"), "\"a\\\"\\\\\\n\\ufffd\"");
}

TEST(EtcdGateway, ReadsARange) {
  const auto range =
      ReadRange(R"({"header":{"cluster_id":"1","member_id":"13668033151171901709","revision":"3",
      "raft_term":"2"},"kvs":[{"key":"YQ==","create_revision":"2","mod_revision":"3",
      "version":"1","value":"Yg==","lease":"77"}],"more":true,"count":"9"})");
  ASSERT_TRUE(range) << range.error().ToString();
  EXPECT_EQ(range->revision, 3);
  EXPECT_TRUE(range->more);
  ASSERT_EQ(range->entries.size(), 1u);
  EXPECT_EQ(range->entries[0].key, "a");
  EXPECT_EQ(range->entries[0].value, "b");
  EXPECT_EQ(range->entries[0].created, 2);
  EXPECT_EQ(range->entries[0].modified, 3);
  EXPECT_EQ(range->entries[0].lease, 77);
  EXPECT_FALSE(ReadRange("[]").has_value());
  EXPECT_FALSE(ReadRange(R"({"kvs":[{"key":"?"}]})").has_value());
}

TEST(EtcdGateway, ReadsAWatch) {
  const auto events = ReadWatch(
      R"({"result":{"header":{"revision":"6"},"events":[{"kv":{"key":"YQ==","create_revision":"2",
      "mod_revision":"5","version":"4","value":"Yg=="}},{"type":"DELETE","kv":{"key":"YQ==",
      "mod_revision":"6"}}]}})");
  ASSERT_TRUE(events) << events.error().ToString();
  ASSERT_EQ(events->changes.size(), 2u);
  EXPECT_FALSE(events->changes[0].removed);
  EXPECT_EQ(events->changes[0].entry.modified, 5);
  EXPECT_TRUE(events->changes[1].removed);
  EXPECT_EQ(events->changes[1].entry.modified, 6);
  const auto compacted =
      ReadWatch(R"({"result":{"header":{},"canceled":true,"compact_revision":"3"}})");
  EXPECT_TRUE(compacted->canceled);
  EXPECT_EQ(compacted->compact_revision, 3);
  const auto over =
      ReadWatch(R"({"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader"}})");
  EXPECT_EQ(over->error, "etcdserver: no leader");
  EXPECT_FALSE(ReadWatch("{}").has_value());
}

TEST(EtcdGateway, KnowsWhatARefusalMeans) {
  using Next = Refusal::Next;
  struct Case {
    int status;
    const char* words;
    Code code;
    Next next;
  };
  for (const Case& one : {
           Case{503, "etcdserver: no leader", Code::kUnavailable, Next::kElsewhere},
           Case{503, "etcdserver: request timed out", Code::kUnavailable, Next::kInDoubt},
           Case{503, "upstream connect error", Code::kUnavailable, Next::kInDoubt},
           Case{401, "etcdserver: invalid auth token", Code::kUnauthenticated, Next::kAuthenticate},
           Case{400, "etcdserver: user name is empty", Code::kUnauthenticated, Next::kAuthenticate},
           Case{403, "etcdserver: permission denied", Code::kPermissionDenied, Next::kGiveUp},
           Case{404, "etcdserver: requested lease not found", Code::kNotFound, Next::kGiveUp},
           Case{400, "etcdserver: request is too large", Code::kInvalidArgument, Next::kGiveUp},
           Case{404, "Not Found", Code::kInvalidArgument, Next::kGiveUp},
           Case{400, "etcdserver: mvcc: required revision has been compacted", Code::kCorrupt,
                Next::kGiveUp},
       }) {
    const std::string body =
        one.status == 404 && one.words[0] == 'N'
            ? one.words
            : R"({"error":")" + std::string(one.words) + R"(","message":")" + one.words + R"("})";
    const Refusal refusal = ReadRefusal(one.status, body);
    EXPECT_EQ(refusal.error.code(), one.code) << one.words;
    EXPECT_EQ(refusal.next, one.next) << one.words;
    EXPECT_NE(refusal.error.message().find(one.words), std::string::npos);
  }
  const Refusal stream =
      ReadRefusal(401, R"({"error":{"grpc_code":16,"message":"etcdserver: invalid auth token"}})");
  EXPECT_TRUE(stream.error.message().starts_with("etcd says 'etcdserver: invalid auth token'"));
  const Refusal page = ReadRefusal(502, "<html>\x1b[31m" + std::string(1000, 'x') + "\nsecond");
  EXPECT_EQ(page.next, Next::kInDoubt);
  EXPECT_EQ(page.error.message().find('\x1b'), std::string::npos);
  EXPECT_LT(page.error.message().size(), 400u);
}

TEST(EtcdGateway, EndsARangeBehindItsPrefix) {
  EXPECT_EQ(EndOfPrefix("a"), "b");
  EXPECT_EQ(EndOfPrefix("/forebay/c/"), "/forebay/c0");
  EXPECT_EQ(EndOfPrefix("a\xff\xff"), "b");
  EXPECT_EQ(EndOfPrefix("\xff"), std::string(1, '\0'));
  EXPECT_EQ(EndOfPrefix(""), std::string(1, '\0'));
}

TEST(EtcdObjectSplitter, FindsObjectsHoweverTheyCome) {
  const std::string stream = "{\"a\":\"}\\\"{\"}\n {\"b\":{\"c\":[{}]}}{}\n\n";
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    ObjectSplitter splitter(100);
    std::vector<std::string> objects;
    for (size_t at = 0; at < stream.size(); at += piece) {
      splitter.Add(std::string_view(stream).substr(at, piece));
      while (auto object = splitter.Next().value()) objects.push_back(*object);
    }
    EXPECT_EQ(objects,
              (std::vector<std::string>{"{\"a\":\"}\\\"{\"}", "{\"b\":{\"c\":[{}]}}", "{}"}));
    EXPECT_TRUE(splitter.AtRest());
  }
}

TEST(EtcdObjectSplitter, IsBoundedAndRefusesWhatIsNoObject) {
  ObjectSplitter exact(10);
  exact.Add("{\"a\":\"bb\"}");
  EXPECT_EQ(exact.Next().value().value().size(), 10u);
  ObjectSplitter over(9);
  over.Add("{\"a\":\"bb\"}");
  EXPECT_EQ(over.Next().error().code(), Code::kCorrupt);
  over.Add("{}");
  EXPECT_FALSE(over.Next().has_value());  // for ever
  ObjectSplitter nonsense(100);
  nonsense.Add("{} no");
  EXPECT_TRUE(nonsense.Next().value().has_value());
  EXPECT_FALSE(nonsense.Next().has_value());
}

}  // namespace
}  // namespace forebay::etcd
