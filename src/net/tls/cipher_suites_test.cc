#include "net/cipher_suites.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

namespace sluice {
namespace {

// OpenSSL knows nearly all of them: 3DES and RC4 are left out of Debian's.
TEST(CipherSuites, have_the_numbers_that_OpenSSL_gives_them) {
  SSL_CTX* context = SSL_CTX_new(TLS_method());
  SSL_CTX_set_cipher_list(context, "ALL:COMPLEMENTOFALL:@SECLEVEL=0");
  SSL* ssl = SSL_new(context);
  const auto* ciphers = SSL_get_ciphers(ssl);
  size_t known = 0;
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(ciphers, i);
    const auto number = cipher_suite_named(SSL_CIPHER_get_name(cipher));
    if (!number) continue;
    ++known;
    EXPECT_EQ(*number, SSL_CIPHER_get_protocol_id(cipher)) << SSL_CIPHER_get_name(cipher);
  }
  SSL_free(ssl);
  SSL_CTX_free(context);
  EXPECT_GE(known, 30U);
  EXPECT_FALSE(cipher_suite_named("NONE"));
}

TEST(CipherSuites, that_say_something_else_than_a_cipher_are_told_apart) {
  for (const uint16_t suite : {0x0a0a, 0x1a1a, 0xfafa, 0x00ff, 0x5600})
    EXPECT_TRUE(is_signalling_suite(suite)) << suite;
  for (const uint16_t suite : {0x0a1a, 0x1301, 0xc02f, 0x000a, 0x0035})
    EXPECT_FALSE(is_signalling_suite(suite)) << suite;
}

}  // namespace
}  // namespace sluice
