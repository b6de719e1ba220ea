#include "src/front/s3/upload_ids.h"

#include <gtest/gtest.h>

namespace forebay::s3door {
namespace {

const std::string kSecret(32, 's');

TEST(S3UploadIds, AreGoodWhereverTheSecretIs) {
  const std::string id = UploadIds(kSecret).Seal(7, "a/b", "origin's own");
  EXPECT_EQ(UploadIds(kSecret).Open(7, "a/b", id), "origin's own");
  EXPECT_EQ(UploadIds(kSecret).Open(7, "a/b", UploadIds(kSecret).Seal(7, "a/b", "")), "");
}

TEST(S3UploadIds, AreGoodForNothingElse) {
  const UploadIds ids(kSecret);
  const std::string id = ids.Seal(7, "a/b", "1 x");
  EXPECT_FALSE(ids.Open(8, "a/b", id));
  EXPECT_FALSE(ids.Open(7, "a/c", id));
  EXPECT_FALSE(ids.Open(7, "a/b 1", id));
  EXPECT_FALSE(UploadIds(std::string(32, 't')).Open(7, "a/b", id));
}

TEST(S3UploadIds, ThatWereForgedAreNone) {
  const UploadIds ids(kSecret);
  const std::string id = ids.Seal(7, "key", "0123456789abcdef");
  for (size_t i = 0; i < id.size(); ++i) {
    std::string forged = id;
    forged[i] = forged[i] == '0' ? '1' : '0';
    EXPECT_FALSE(ids.Open(7, "key", forged)) << forged;
    EXPECT_FALSE(ids.Open(7, "key", id.substr(0, i))) << i;
  }
  EXPECT_FALSE(ids.Open(7, "key", id + "0"));
  EXPECT_FALSE(ids.Open(7, "key", "0123456789abcdef"));
}

}  // namespace
}  // namespace forebay::s3door
