#include "serve/http_server.h"

namespace sluice {

void HttpServer::take(Arrival arrival) {
  auto* connection = new Connection(*this, std::move(arrival), ++last_id_);
  connection->start();
}

void HttpServer::drain() {
  draining_ = true;
  for (Connection* connection = first_; connection;) {
    Connection* next = connection->next_;
    connection->drain();
    connection = next;
  }
}

void HttpServer::abort() {
  for (Connection* connection = first_; connection;) {
    Connection* next = connection->next_;
    if (!connection->idle() && !connection->aborted()) config_.peek().metrics->connections_forced->add();
    connection->abort();
    connection = next;
  }
}

std::unique_ptr<ConnectionMemory> HttpServer::take_memory() {
  if (memories_.empty()) return std::make_unique<ConnectionMemory>();
  auto memory = std::move(memories_.back());
  memories_.pop_back();
  return memory;
}

void HttpServer::give_memory(std::unique_ptr<ConnectionMemory> memory) {
  if (!memory || memories_.size() >= kMemoriesKept) return;
  memory->arena.reset();
  if (memory->block.size() != Block::kSmall) memory->block.release();
  memory->filled = 0;
  memories_.push_back(std::move(memory));
}

void HttpServer::link(Connection& connection) {
  connection.next_ = first_;
  if (first_) first_->previous_ = &connection;
  first_ = &connection;
}

void HttpServer::unlink(Connection& connection) {
  (connection.previous_ ? connection.previous_->next_ : first_) = connection.next_;
  if (connection.next_) connection.next_->previous_ = connection.previous_;
}

}  // namespace sluice
