# How a folder of sluice becomes a library, its tests, fuzz targets and benchmarks.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(fmt REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(ZLIB REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
find_package(CLI11 REQUIRED)
pkg_check_modules(re2 REQUIRED IMPORTED_TARGET re2)
# Its -pthread would not fit the precompiled header; glibc needs no such flag.
set_property(TARGET PkgConfig::re2 PROPERTY INTERFACE_COMPILE_OPTIONS)
# Debian's shared library keeps to itself the hooks by which RE2 tells what a search took (regex/effort.h).
find_library(SLUICE_RE2 libre2.a HINTS ${re2_LIBDIR} REQUIRED)
get_target_property(re2_libraries PkgConfig::re2 INTERFACE_LINK_LIBRARIES)
list(TRANSFORM re2_libraries REPLACE "^.*/libre2\\.so$" "${SLUICE_RE2}")
set_property(TARGET PkgConfig::re2 PROPERTY INTERFACE_LINK_LIBRARIES ${re2_libraries})
pkg_check_modules(simdjson REQUIRED IMPORTED_TARGET simdjson)
pkg_check_modules(nghttp2 REQUIRED IMPORTED_TARGET libnghttp2)
pkg_check_modules(uring REQUIRED IMPORTED_TARGET liburing)
pkg_check_modules(protobuf REQUIRED IMPORTED_TARGET protobuf)
pkg_check_modules(brotli REQUIRED IMPORTED_TARGET libbrotlidec libbrotlienc)

option(SLUICE_FUZZ "instrument for libFuzzer and build the fuzz targets" OFF)
option(SLUICE_TESTS "build the tests" ON)
set(SLUICE_PROFILE "" CACHE FILEPATH "what the program does most, as make pgo measured it; may be missing")
set(SLUICE_SANITIZE "" CACHE STRING "sanitizers, as -fsanitize takes them")
# The tests' own code runs once and seldom long: optimising it under sanitizers was a quarter of the build.
set(SLUICE_TEST_FLAGS -O0)

add_library(sluice_flags INTERFACE)
target_compile_options(sluice_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wimplicit-fallthrough -Wextra-semi
  -Wno-gnu-statement-expression -Wno-gnu-statement-expression-from-macro-expansion -Wno-missing-field-initializers)
target_include_directories(sluice_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/generated)
if(SLUICE_SANITIZE)
  target_compile_options(sluice_flags INTERFACE -fsanitize=${SLUICE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
    -fno-sanitize=vptr)  # it opens a pipe to look, and reports a fault when no descriptor is left
  target_link_options(sluice_flags INTERFACE -fsanitize=${SLUICE_SANITIZE})
endif()
if(SLUICE_PROFILE AND EXISTS ${SLUICE_PROFILE})
  # Of functions that have changed since the profile is not used; the rest still is.
  target_compile_options(sluice_flags INTERFACE -fprofile-use=${SLUICE_PROFILE}
    -Wno-profile-instr-out-of-date -Wno-profile-instr-unprofiled -Wno-backend-plugin)
  target_link_options(sluice_flags INTERFACE -fprofile-use=${SLUICE_PROFILE})
  message(STATUS "by the profile ${SLUICE_PROFILE}")
endif()
if(SLUICE_FUZZ)
  target_compile_options(sluice_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
target_compile_options(sluice_flags INTERFACE -pthread)
target_link_options(sluice_flags INTERFACE -fuse-ld=lld)

# One precompiled header of what nearly every file includes: the build is bound by parsing headers.
file(WRITE ${CMAKE_BINARY_DIR}/generated/pch.cc "")
add_library(sluice_pch OBJECT ${CMAKE_BINARY_DIR}/generated/pch.cc)
target_link_libraries(sluice_pch PUBLIC sluice_flags fmt::fmt)
target_compile_options(sluice_pch PRIVATE -Xclang -fno-pch-timestamp)
set(SLUICE_PCH <algorithm> <array> <charconv> <chrono> <coroutine> <cstdint> <cstring> <deque> <expected> <functional> <map>
  <memory> <optional> <set> <span> <string> <string_view> <unordered_map> <utility> <variant> <vector> <fmt/format.h>)
target_precompile_headers(sluice_pch PRIVATE ${SLUICE_PCH})
if(SLUICE_TESTS)
  add_library(sluice_test_pch OBJECT ${CMAKE_BINARY_DIR}/generated/pch.cc)
  target_link_libraries(sluice_test_pch PUBLIC sluice_flags fmt::fmt GTest::gtest)
  target_compile_options(sluice_test_pch PRIVATE -Xclang -fno-pch-timestamp ${SLUICE_TEST_FLAGS})
  target_precompile_headers(sluice_test_pch PRIVATE ${SLUICE_PCH} <gtest/gtest.h>)
endif()

# sluice_folder(NAME [DEPENDS lib...] [LIBS lib...] [TEST_LIBS lib...] [PRECOMPILE header...])
#
# PRECOMPILE is for a folder whose files all include much of the project: it gets a precompiled header of its own, with these.
# NAME is a library of the folder's *.cc; *_test.cc become the program NAME_test, each *_fuzz.cc a fuzz target
# NAME of the file, each *_bench.cc a benchmark. Corpora are in corpus/<fuzz target>/ beside the file.
function(sluice_folder name)
  cmake_parse_arguments(arg "" "" "DEPENDS;LIBS;TEST_LIBS;PRECOMPILE" ${ARGN})
  file(GLOB all CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${all})
  set(fuzzers ${all})
  set(benches ${all})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")
  list(FILTER all EXCLUDE REGEX "_(test|fuzz|bench)\\.cc$")

  if(all)
    add_library(${name} STATIC ${all})
    target_link_libraries(${name} PUBLIC sluice_flags fmt::fmt ${arg_DEPENDS} PRIVATE ${arg_LIBS})
    if(arg_PRECOMPILE)
      target_precompile_headers(${name} PRIVATE ${SLUICE_PCH} ${arg_PRECOMPILE})
    else()
      target_precompile_headers(${name} REUSE_FROM sluice_pch)
    endif()
    target_compile_options(${name} PRIVATE -Xclang -fno-pch-timestamp)
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE sluice_flags fmt::fmt ${arg_DEPENDS})
  endif()
  if(tests AND SLUICE_TESTS)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ${name} ${arg_LIBS} ${arg_TEST_LIBS} GTest::gtest GTest::gtest_main)
    if(arg_PRECOMPILE)
      target_precompile_headers(${name}_test PRIVATE ${SLUICE_PCH} <gtest/gtest.h> ${arg_PRECOMPILE})
    else()
      target_precompile_headers(${name}_test REUSE_FROM sluice_test_pch)
    endif()
    target_compile_options(${name}_test PRIVATE -Xclang -fno-pch-timestamp ${SLUICE_TEST_FLAGS})
    set_property(GLOBAL APPEND PROPERTY SLUICE_TEST_PROGRAMS ${name}_test)
  endif()
  if(SLUICE_FUZZ)
    foreach(file ${fuzzers})
      get_filename_component(target ${file} NAME_WE)
      add_executable(${target} ${file})
      target_link_libraries(${target} PRIVATE ${name} ${arg_LIBS} ${arg_TEST_LIBS})
      target_link_options(${target} PRIVATE -fsanitize=fuzzer)
      set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
    endforeach()
  endif()
  foreach(file ${benches})
    get_filename_component(target ${file} NAME_WE)
    add_executable(${target} EXCLUDE_FROM_ALL ${file})
    target_link_libraries(${target} PRIVATE ${name} ${arg_LIBS} ${arg_TEST_LIBS} benchmark::benchmark_main)
  endforeach()
endfunction()

# Adds every filter folder and writes the one list of them: generated/filters/all.{h,cc}, library `filters_all`.
function(sluice_add_filters root)
  file(GLOB folders CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/${root} ${CMAKE_SOURCE_DIR}/${root}/*/CMakeLists.txt)
  set(declarations "")
  set(entries "")
  set(libraries "")
  foreach(entry ${folders})
    get_filename_component(filter ${entry} DIRECTORY)
    add_subdirectory(${root}/${filter})
    string(APPEND declarations "const FilterFactory& ${filter}_filter();\n")
    string(APPEND entries "      &${filter}_filter(),\n")
    list(APPEND libraries filters_${filter})
  endforeach()
  set(dir ${CMAKE_BINARY_DIR}/generated/filters)
  file(CONFIGURE OUTPUT ${dir}/all.h CONTENT
"// Written by the build: every filter this program is made of.
#pragma once
#include <vector>
namespace sluice {
class FilterFactory;
std::vector<const FilterFactory*> all_filters();
}  // namespace sluice
" @ONLY)
  file(CONFIGURE OUTPUT ${dir}/all.cc CONTENT
"#include \"filters/all.h\"
namespace sluice {
@declarations@
std::vector<const FilterFactory*> all_filters() {
  return {
@entries@  };
}
}  // namespace sluice
" @ONLY)
  add_library(filters_all STATIC ${dir}/all.cc)
  target_link_libraries(filters_all PUBLIC sluice_flags ${libraries})
endfunction()
