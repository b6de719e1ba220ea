#include "src/registry/etcd/etcd_url.h"

#include <gtest/gtest.h>

#include <utility>

namespace forebay {
namespace {

using Texts = std::vector<std::string>;

TEST(EtcdUrl, NamesEndpointsAndCell) {
  const auto url = EtcdUrl::Parse("etcd://10.0.0.1,etcd-2.local:4001,[::1],[fe80::1]:2379/prod_1");
  ASSERT_TRUE(url) << url.error().ToString();
  EXPECT_EQ(url->endpoints, (Texts{"http://10.0.0.1:2379", "http://etcd-2.local:4001",
                                   "http://[::1]:2379", "http://[fe80::1]:2379"}));
  EXPECT_EQ(url->cell, "prod_1");
  EXPECT_EQ(url->Prefix(), "/forebay/prod_1/");
  EXPECT_EQ(url->tls, nullptr);
  EXPECT_EQ(url->credentials, "");
}

TEST(EtcdUrl, SpeaksTlsWhereItIsTold) {
  for (const char* text : {"etcds://h/c?ca=/etc/ca@1.pem", "etcd://h/c?tls=1&ca=/etc/ca@1.pem"}) {
    const auto url = EtcdUrl::Parse(text);
    ASSERT_TRUE(url) << url.error().ToString();
    EXPECT_EQ(url->endpoints, Texts{"https://h:2379"});
    EXPECT_EQ(url->tls->ca_file, "/etc/ca@1.pem");
  }
  const auto mutual = EtcdUrl::Parse("etcds://h/c/?cert=/c.pem&key=/k.pem&credentials=env:ETCD");
  ASSERT_TRUE(mutual) << mutual.error().ToString();
  EXPECT_EQ(mutual->tls->certificate_file, "/c.pem");
  EXPECT_EQ(mutual->tls->key_file, "/k.pem");
  EXPECT_EQ(mutual->credentials, "env:ETCD");
}

TEST(EtcdUrl, SaysWhatIsWrong) {
  const std::pair<std::string, std::string> wrong[] = {
      {"", "write etcd://HOST1"},
      {"http://h/c", "write etcd://HOST1"},
      {"etcd://h", "the cell's name is missing"},
      {"etcd://h/", "the cell's name is missing"},
      {"etcd:///c", "an endpoint is empty"},
      {"etcd://a,,b/c", "an endpoint is empty"},
      {"etcd://a,a:2379/c", "'a:2379' is named twice"},
      {"etcd://h:0/c", "'0' is no port"},
      {"etcd://h:65536/c", "'65536' is no port"},
      {"etcd://h:x/c", "'x' is no port"},
      {"etcd://h h/c", "'h h' is no host"},
      {"etcd://:1/c", "':1' is no host"},
      {"etcd://[::1/c", "'[::1' is no address in brackets"},
      {"etcd://[::1]x/c", "'[::1]x' is no host and port"},
      {"etcd://h/a/b", "'a/b' is no name of a cell"},
      {"etcd://h/.a", "'.a' is no name of a cell"},
      {"etcd://h/" + std::string(64, 'a'), "is no name of a cell"},
      {"etcd://h/c?x=1", "there is no parameter 'x'; known: ca, cert"},
      {"etcd://h/c?tls", "'tls' has no value"},
      {"etcd://h/c?ca=a&ca=b", "'ca' is given twice"},
      {"etcd://h/c?ca=/a", "write etcds://"},
      {"etcds://h/c?tls=0", "write tls=1 or etcds://"},
      {"etcds://h/c?cert=/a", "cert= and key= belong together"},
  };
  for (const auto& [text, why] : wrong) {
    const auto url = EtcdUrl::Parse(text);
    ASSERT_FALSE(url.has_value()) << text;
    EXPECT_EQ(url.error().code(), Code::kInvalidArgument);
    EXPECT_NE(url.error().message().find(why), std::string::npos) << url.error().message();
  }
  std::string many = "etcd://h0";
  for (size_t i = 1; i <= kMaxEtcdEndpoints; ++i) many += ",h" + std::to_string(i);
  EXPECT_FALSE(EtcdUrl::Parse(many + "/c").has_value());
}

TEST(EtcdUrl, NeverTellsASecretInTheWrongPlace) {
  const std::pair<std::string, std::string> wrong[] = {
      {"etcd://root:secret@h/c", "?credentials=file:PATH"},
      {"root:secret@h", "?credentials=file:PATH"},
      {"etcd://h/c?credentials=secret", "names where"},
      {"etcd://h,h/c?credentials=env:secret", "twice"},
  };
  for (const auto& [text, why] : wrong) {
    const auto url = EtcdUrl::Parse(text);
    ASSERT_FALSE(url.has_value()) << text;
    EXPECT_EQ(url.error().message().find("secret"), std::string::npos) << url.error().message();
    EXPECT_NE(url.error().message().find(why), std::string::npos) << url.error().message();
  }
}

}  // namespace
}  // namespace forebay
