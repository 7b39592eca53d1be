// What a call costs: finding its method, making its message, showing the answer.
#include <benchmark/benchmark.h>

#include "engines/transcoding/testing.h"
#include "engines/transcoding/transcoder.h"

namespace sluice::transcoding {
namespace {

std::shared_ptr<const Transcoder> bookstore() {
  return *Transcoder::create(descriptor_set_of(kBookstore), {.services = {"bookstore.Bookstore"}});
}

constexpr std::string_view kBook =
    R"({"title":"The Mill on the Floss","author":{"firstName":"George","lastName":"Eliot"},"tags":["novel","river"],"price":12.5})";

void find(benchmark::State& state) {
  const auto transcoder = bookstore();
  for (auto _ : state) benchmark::DoNotOptimize(transcoder->find("GET", "/shelves/7/books/9?name=x"));
}
BENCHMARK(find);

void make(benchmark::State& state, std::string_view method, std::string_view path, std::string_view body) {
  const auto transcoder = bookstore();
  const auto found = transcoder->find(method, path);
  for (auto _ : state) {
    std::string out;
    if (!found->append_message(body, Call::Place::first, out)) state.SkipWithError("refused");
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK_CAPTURE(make, of_path_and_query, "GET", "/shelves/7/books/9?name=x", "");
BENCHMARK_CAPTURE(make, of_a_body_that_is_a_field, "POST", "/shelves/7/books", kBook);
BENCHMARK_CAPTURE(make, of_a_body_that_is_all, "POST", "/talk", kBook);

void show(benchmark::State& state) {
  const auto transcoder = bookstore();
  const auto call = transcoder->find("POST", "/talk");
  std::string message;
  if (!call->append_message(kBook, Call::Place::first, message)) state.SkipWithError("refused");
  for (auto _ : state) {
    std::string out;
    if (!call->append_json(message, out)) state.SkipWithError("refused");
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(show);

}  // namespace
}  // namespace sluice::transcoding
