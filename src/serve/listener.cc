#include "serve/listener.h"

#include <unistd.h>

#include "base/log.h"

namespace sluice {

Listener::~Listener() {
  CHECK(count_ == 0);
}

Status Listener::start(int fd) {
  if (socket_.listening()) {  // from the one before, nobody would accept any more
    ::close(fd);
    return {};
  }
  TRY(socket_.start(loop, fd, [this](Incoming& incoming) { accept(incoming); }));
  address_ = socket_.local();
  return {};
}

void Listener::accept(Incoming& incoming) {
  if (limit_ && !limit_->take()) {
    if (metrics_) metrics_->connections_overflow->add();
    static log::Site site{LogLevel::warn, "listener", "too many client connections, this one is closed"};
    if (site.admits()) site.write({{"max", limit_->most()}, {"remedy", "raise LimitNOFILE or --max-connections"}});
    return;
  }
  auto stream = incoming.take();
  if (!stream) {
    if (limit_) limit_->give();
    static log::Site site{LogLevel::warn, "listener", "cannot serve a connection"};
    if (site.admits()) site.write({{"error", stream.error().message}});
    return;
  }
  auto* connection = new Connection(*this, *std::move(stream), incoming.peer, ++last_id_);
  connection->start();
}

void Listener::drain() {
  draining_ = true;
  socket_.close();
  for (Connection* connection = first_; connection;) {
    Connection* next = connection->next_;
    connection->drain();
    connection = next;
  }
}

void Listener::abort() {
  for (Connection* connection = first_; connection;) {
    Connection* next = connection->next_;
    if (!connection->idle() && !connection->aborted()) config_.peek().metrics->connections_forced->add();
    connection->abort();
    connection = next;
  }
}

std::unique_ptr<ConnectionMemory> Listener::take_memory() {
  if (memories_.empty()) return std::make_unique<ConnectionMemory>();
  auto memory = std::move(memories_.back());
  memories_.pop_back();
  return memory;
}

void Listener::give_memory(std::unique_ptr<ConnectionMemory> memory) {
  if (!memory || memories_.size() >= kMemoriesKept) return;
  memory->arena.reset();
  if (memory->block.size() != Block::kSmall) memory->block.release();
  memory->filled = 0;
  memories_.push_back(std::move(memory));
}

void Listener::link(Connection& connection) {
  connection.next_ = first_;
  if (first_) first_->previous_ = &connection;
  first_ = &connection;
  ++count_;
  if (!metrics_) return;
  metrics_->connections->add();
  metrics_->connections_active->add();
}

void Listener::unlink(Connection& connection) {
  (connection.previous_ ? connection.previous_->next_ : first_) = connection.next_;
  if (connection.next_) connection.next_->previous_ = connection.previous_;
  --count_;
  if (limit_) limit_->give();
  if (!metrics_) return;
  metrics_->connections_active->sub();
  metrics_->connections_ended->add();
}

}  // namespace sluice
