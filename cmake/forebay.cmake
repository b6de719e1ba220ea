# How every folder of Forebay becomes a target, so that the build enforces the layers: a folder sees
# only what it names in DEPENDS.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(GTest REQUIRED)
include(GoogleTest)

add_library(forebay_options INTERFACE)
target_compile_options(forebay_options INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers)
target_include_directories(forebay_options INTERFACE ${CMAKE_SOURCE_DIR})
if(FOREBAY_SANITIZE)
  target_compile_options(forebay_options INTERFACE
    -fsanitize=${FOREBAY_SANITIZE} -fno-sanitize-recover=all
    # Looks at memory through a pipe, and calls it bad where no descriptor is left (a test of ours).
    -fno-sanitize=vptr)
  target_link_options(forebay_options INTERFACE -fsanitize=${FOREBAY_SANITIZE})
endif()
if(FOREBAY_FUZZ)
  target_compile_options(forebay_options INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(forebay_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# What nearly every source includes, of the system and of libraries that do not change: parsed once
# instead of 400 times, which is a third of a build. Nothing may rely on it: a source includes what
# it uses (FOREBAY_PCH=OFF builds without).
option(FOREBAY_PCH "Parse the headers of the system once" ON)
set(FOREBAY_PCH_PRODUCT <algorithm> <array> <atomic> <chrono> <coroutine> <deque> <expected>
  <functional> <map> <memory> <mutex> <optional> <span> <string> <string_view> <utility> <vector>
  <fmt/format.h>)

# forebay_precompiled(TARGET KIND HEADERS...): the headers once for all targets of a KIND.
function(forebay_precompiled TARGET KIND)
  if(NOT FOREBAY_PCH)
    return()
  endif()
  if(NOT TARGET forebay_pch_${KIND})
    # Of the same type as those that use them: libraries are -fPIC, programs -fPIE.
    file(WRITE ${CMAKE_BINARY_DIR}/pch_${KIND}.cc "int main() {}\n")
    if(KIND STREQUAL "test")
      add_executable(forebay_pch_${KIND} EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/pch_${KIND}.cc)
      target_link_libraries(forebay_pch_${KIND} PRIVATE GTest::gtest)
    else()
      add_library(forebay_pch_${KIND} OBJECT EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/pch_${KIND}.cc)
    endif()
    target_link_libraries(forebay_pch_${KIND} PRIVATE forebay_options fmt::fmt)
    target_precompile_headers(forebay_pch_${KIND} PRIVATE ${ARGN})
  endif()
  target_precompile_headers(${TARGET} REUSE_FROM forebay_pch_${KIND})
endfunction()

# forebay_library(NAME SOURCES a.cc ... [DEPENDS forebay_base ...] [TESTS a_test.cc ...]
#                 [TEST_DEPENDS forebay_sim ...] [TEST_LABEL io])
# makes the library forebay_NAME and, from its TESTS, the program NAME_test, known to ctest test by
# test.
function(forebay_library NAME)
  cmake_parse_arguments(ARG "" "TEST_LABEL" "SOURCES;DEPENDS;TESTS;TEST_DEPENDS" ${ARGN})
  add_library(forebay_${NAME} STATIC ${ARG_SOURCES})
  target_link_libraries(forebay_${NAME} PUBLIC forebay_options ${ARG_DEPENDS})
  forebay_precompiled(forebay_${NAME} product ${FOREBAY_PCH_PRODUCT})
  if(ARG_TESTS)
    forebay_test(${NAME}_test SOURCES ${ARG_TESTS} DEPENDS forebay_${NAME} ${ARG_TEST_DEPENDS}
      LABEL ${ARG_TEST_LABEL})
  endif()
endfunction()

# forebay_test(NAME SOURCES a_test.cc ... DEPENDS ... [LABEL io]): a GoogleTest program, known
# to ctest test by test. The label `io` marks a program that touches real files, sockets or threads:
# CI runs it a second time as an ordinary user with little lockable memory, and only such programs
# under ThreadSanitizer (target forebay_io_tests). Time limits are the tier's (tools/dev/test.sh).
function(forebay_test NAME)
  cmake_parse_arguments(ARG "" "LABEL" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${NAME} ${ARG_SOURCES})
  target_link_libraries(${NAME} PRIVATE ${ARG_DEPENDS} GTest::gtest_main GTest::gmock)
  forebay_precompiled(${NAME} test ${FOREBAY_PCH_PRODUCT} <gtest/gtest.h>)
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  gtest_discover_tests(${NAME} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS ${ARG_LABEL})
  if(ARG_LABEL STREQUAL "io")
    set_property(GLOBAL APPEND PROPERTY FOREBAY_IO_TESTS $<TARGET_FILE:${NAME}>)
    add_dependencies(forebay_io_tests ${NAME})
  endif()
endfunction()

add_custom_target(forebay_io_tests COMMENT "The tests labelled io")

add_custom_target(forebay_fuzzers COMMENT "The libFuzzer programs")

# forebay_fuzz(NAME SOURCES a_fuzz.cc DEPENDS ...): a libFuzzer program, which only the asan preset
# can link; the others compile it, so that whoever changes what it uses hears of it at once.
function(forebay_fuzz NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  if(NOT FOREBAY_FUZZ)
    add_library(${NAME} OBJECT ${ARG_SOURCES})
    target_link_libraries(${NAME} PRIVATE ${ARG_DEPENDS})
    return()
  endif()
  add_executable(${NAME} ${ARG_SOURCES})
  target_link_libraries(${NAME} PRIVATE ${ARG_DEPENDS} -fsanitize=fuzzer)
  set_property(GLOBAL APPEND PROPERTY FOREBAY_FUZZERS $<TARGET_FILE:${NAME}>)
  add_dependencies(forebay_fuzzers ${NAME})
endfunction()

# forebay_write_lists(): leaves the paths of the I/O test programs and of the fuzzers in the build
# folder, where ./dev finds them. Called once, after every folder has been added.
function(forebay_write_lists)
  foreach(list IN ITEMS IO_TESTS FUZZERS)
    get_property(paths GLOBAL PROPERTY FOREBAY_${list})
    list(JOIN paths "\n" lines)
    string(TOLOWER ${list} file)
    file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/${file}.txt CONTENT "${lines}\n")
  endforeach()
endfunction()
