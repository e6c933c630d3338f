# SPDX-License-Identifier: Apache-2.0
# Compiles a Cap'n Proto schema to C++ below the build tree: airlock_schemas(out_var schema/a.capnp …)
function(airlock_schemas out)
  find_program(CAPNP_TOOL capnp REQUIRED)
  find_program(CAPNPC_CXX capnpc-c++ REQUIRED)
  set(sources)
  foreach(schema ${ARGN})
    get_filename_component(name ${schema} NAME)
    set(dir "${CMAKE_BINARY_DIR}/ipc/schema")
    add_custom_command(
      OUTPUT "${dir}/${name}.c++" "${dir}/${name}.h"
      COMMAND ${CMAKE_COMMAND} -E make_directory "${dir}"
      COMMAND ${CAPNP_TOOL} compile -o${CAPNPC_CXX}:${dir} --src-prefix=${CMAKE_CURRENT_SOURCE_DIR}/schema
              -I${CMAKE_CURRENT_SOURCE_DIR}/schema ${CMAKE_CURRENT_SOURCE_DIR}/${schema}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${schema} VERBATIM)
    list(APPEND sources "${dir}/${name}.c++")
    # Generated code is not ours to keep free of warnings.  Its name: see -ffile-prefix-map in AirlockHardening.cmake.
    set_source_files_properties("${dir}/${name}.c++" PROPERTIES
      COMPILE_OPTIONS "-w;-ffile-prefix-map=ipc/=./ipc/;-include;${CMAKE_SOURCE_DIR}/ipc/capnp.h")
  endforeach()
  set(${out} ${sources} PARENT_SCOPE)
endfunction()
