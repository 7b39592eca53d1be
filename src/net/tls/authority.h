// An authority that makes certificates on the spot: for the program's own ports, and for tests.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "net/tls/options.h"

namespace sluice {

// Keys are of P-256. Any thread.
class TlsAuthority {
 public:
  // A new one, with a key of its own, from yesterday on.
  static TlsAuthority create(std::string_view name, int days);
  // What private_key() and certificate() gave, in one text. Errors say what is wrong with it.
  static Result<TlsAuthority> read(std::string_view pem);
  TlsAuthority(TlsAuthority&&) noexcept;
  ~TlsAuthority();

  struct Wish {
    std::vector<std::string> names;  // "a.example", "1.2.3.4", "spiffe://x": the first is the common name, too
    int days_from = -1;              // from now on
    int days_to = 30;
    bool client = false;  // for clients, not servers
  };
  TlsKeyPair make(const Wish& wish) const;

  const std::string& certificate() const { return certificate_; }  // PEM
  std::string private_key() const;                                 // PEM
  WallTime ends() const;

 private:
  struct Impl;
  explicit TlsAuthority(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
  std::string certificate_;
};

}  // namespace sluice
