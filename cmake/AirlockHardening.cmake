# SPDX-License-Identifier: Apache-2.0
# Flags that every target of ours is compiled and linked with, and why a preset may change them.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON)  # TRY is a GNU statement expression (base/result.h)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

add_library(airlock_flags INTERFACE)
target_include_directories(airlock_flags INTERFACE "${CMAKE_SOURCE_DIR}" "${CMAKE_BINARY_DIR}")
target_compile_definitions(airlock_flags INTERFACE
  _GNU_SOURCE FMT_HEADER_ONLY=1 AIRLOCK_VERSION="${PROJECT_VERSION}")
target_compile_options(airlock_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wold-style-cast -Wnon-virtual-dtor -Wimplicit-fallthrough
  -Wformat=2 -Werror=format-security -Wno-missing-field-initializers
  -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -ftrivial-auto-var-init=zero
  -fno-delete-null-pointer-checks -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # gcc 12 reports dangling and maybe-uninitialized members inside std::expected that are neither.
  target_compile_options(airlock_flags INTERFACE -Wno-maybe-uninitialized -fno-strict-overflow)
elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(airlock_flags INTERFACE -Wno-gnu-statement-expression -Wno-gnu-statement-expression-from-macro-expansion)
endif()
if(AIRLOCK_WERROR)
  target_compile_options(airlock_flags INTERFACE -Werror)
endif()
target_link_options(airlock_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code -Wl,--build-id=sha1)

if(AIRLOCK_SANITIZE)
  set(AIRLOCK_STATIC OFF)
  target_compile_options(airlock_flags INTERFACE -fsanitize=${AIRLOCK_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(airlock_flags INTERFACE -fsanitize=${AIRLOCK_SANITIZE})
  target_compile_definitions(airlock_flags INTERFACE AIRLOCK_SANITIZED=1)
  if(AIRLOCK_FUZZERS)
    # Coverage of the libraries: with that of a target's own lines alone libFuzzer finds nothing out.
    target_compile_options(airlock_flags INTERFACE -fsanitize=fuzzer-no-link)
  endif()
else()
  target_compile_definitions(airlock_flags INTERFACE _GLIBCXX_ASSERTIONS)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_options(airlock_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
    # The same object wherever it is compiled: ccache hands the compiler names relative to the build tree (base_dir),
    # and these must read as the absolute ones do.  The last that matches counts.
    file(RELATIVE_PATH AIRLOCK_UP "${CMAKE_BINARY_DIR}" "${CMAKE_SOURCE_DIR}")
    string(REGEX REPLACE "/$" "" AIRLOCK_UP "${AIRLOCK_UP}")
    target_compile_options(airlock_flags INTERFACE
      -ffile-prefix-map=${AIRLOCK_UP}=. -ffile-prefix-map=${CMAKE_BINARY_DIR}=.)
  endif()
endif()
if(AIRLOCK_TEST_HOOKS)
  target_compile_definitions(airlock_flags INTERFACE AIRLOCK_TEST_HOOKS=1)
endif()
if(AIRLOCK_WEAKEN)
  string(TOUPPER "${AIRLOCK_WEAKEN}" _weaken)
  string(REPLACE "-" "_" _weaken "${_weaken}")
  target_compile_definitions(airlock_flags INTERFACE AIRLOCK_WEAKEN_${_weaken}=1)
endif()
