// The exchanges on a connection whose client has several at once: each with memory and a task of its own.
#pragma once

#include "http/server_session.h"
#include "serve/exchange.h"

namespace sluice {

class HttpServer;

class ConcurrentExchanges {
 public:
  // `host` is what all of them have in common; `all_ended` is woken, by the loop, when none is left. All outlive this.
  ConcurrentExchanges(HttpServer& server, ServerSession& session, ExchangeHost& host, Waiter& all_ended);
  ConcurrentExchanges(const ConcurrentExchanges&) = delete;
  ConcurrentExchanges& operator=(const ConcurrentExchanges&) = delete;
  // None may be left.
  ~ConcurrentExchanges();

  // Begins those whose requests have come, but for so many at most. False: there are more.
  bool take(unsigned most);
  // Ends all of them, some perhaps later.
  void cancel();
  bool empty() const { return first_ == nullptr; }

 private:
  class One;
  void begin_one();
  void remove(One& one);

  HttpServer& server_;
  ServerSession& session_;
  ExchangeHost& host_;
  // Not at once: who is told may end the connection, and the last one ends somewhere within it.
  struct Tell final : Waiter {
    explicit Tell(Waiter& w) : all_ended(w) {}
    void wake() override {
      due = false;
      all_ended.wake();
    }
    void cancel() override {}
    Waiter& all_ended;
    bool due = false;
  };
  Tell tell_;
  One* first_ = nullptr;
};

}  // namespace sluice
