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
    -fsanitize=${FOREBAY_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(forebay_options INTERFACE -fsanitize=${FOREBAY_SANITIZE})
endif()
if(FOREBAY_FUZZ)
  target_compile_options(forebay_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# forebay_library(NAME SOURCES a.cc ... [DEPENDS forebay_base ...] [TESTS a_test.cc ...]
#                 [TEST_DEPENDS forebay_sim ...])
# makes the library forebay_NAME and, from its TESTS, the program NAME_test with each test known to ctest.
function(forebay_library NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;TESTS;TEST_DEPENDS" ${ARGN})
  add_library(forebay_${NAME} STATIC ${ARG_SOURCES})
  target_link_libraries(forebay_${NAME} PUBLIC forebay_options ${ARG_DEPENDS})
  if(ARG_TESTS)
    forebay_test(${NAME}_test SOURCES ${ARG_TESTS} DEPENDS forebay_${NAME} ${ARG_TEST_DEPENDS})
  endif()
endfunction()

# forebay_test(NAME SOURCES a_test.cc ... DEPENDS ...): a GoogleTest program known to ctest.
function(forebay_test NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${NAME} ${ARG_SOURCES})
  target_link_libraries(${NAME} PRIVATE ${ARG_DEPENDS} GTest::gtest_main GTest::gmock)
  if(NOT FOREBAY_FUZZ)
    gtest_discover_tests(${NAME} DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 300)
  endif()
endfunction()

# forebay_fuzz(NAME SOURCES a_fuzz.cc DEPENDS ...): a libFuzzer program, built by the fuzz preset only.
function(forebay_fuzz NAME)
  if(NOT FOREBAY_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${NAME} ${ARG_SOURCES})
  target_link_libraries(${NAME} PRIVATE ${ARG_DEPENDS} -fsanitize=fuzzer)
  set_property(GLOBAL APPEND PROPERTY FOREBAY_FUZZERS ${NAME})
endfunction()
