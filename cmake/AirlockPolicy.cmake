# SPDX-License-Identifier: Apache-2.0
# Compiles a seccomp policy (sandbox/policies/NAME.policy) into a header with the BPF program, at build time:
# the start path of a pod never runs libseccomp.   airlock_seccomp_policy(out_var NAME)
# Policies of our own processes get sanitizer.policy beside them in a sanitized build; the pod's never does.
function(airlock_seccomp_policy out name)
  set(source "${CMAKE_SOURCE_DIR}/sandbox/policies/${name}.policy")
  set(header "${CMAKE_BINARY_DIR}/sandbox/policies/${name}.bpf.h")
  set(extra)
  if(AIRLOCK_SANITIZE AND NOT name STREQUAL "pod")
    set(extra "${CMAKE_SOURCE_DIR}/sandbox/policies/sanitizer.policy")
  endif()
  add_custom_command(
    OUTPUT "${header}"
    COMMAND ${CMAKE_COMMAND} -E make_directory "${CMAKE_BINARY_DIR}/sandbox/policies"
    COMMAND seccompile "${source}" "${header}" ${extra}
    DEPENDS seccompile "${source}" ${extra}
            "${CMAKE_SOURCE_DIR}/sandbox/policies/floor.policy" "${CMAKE_SOURCE_DIR}/sandbox/policies/channel.policy"
    VERBATIM)
  set(${out} ${${out}} "${header}" PARENT_SCOPE)
endfunction()

# The names and numbers of all calls, for filters that are made at run time: sandbox/policies/call_names.h
function(airlock_call_names out)
  set(header "${CMAKE_BINARY_DIR}/sandbox/policies/call_names.h")
  add_custom_command(
    OUTPUT "${header}"
    COMMAND ${CMAKE_COMMAND} -E make_directory "${CMAKE_BINARY_DIR}/sandbox/policies"
    COMMAND seccompile --names "${header}"
    DEPENDS seccompile VERBATIM)
  set(${out} ${${out}} "${header}" PARENT_SCOPE)
endfunction()
