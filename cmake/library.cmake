# The library: libclconv.so and libclconv.a from the same objects.
set(clconv_root "${PROJECT_SOURCE_DIR}")
set(clconv_kernel_file "${clconv_root}/host/host_kernel.c")
file(GLOB clconv_sources CONFIGURE_DEPENDS "${clconv_root}/host/*.c")
list(REMOVE_ITEM clconv_sources "${clconv_kernel_file}")

# Writes build/NAME.c, in which every file is a char array; see embed.cmake. The list of files is
# written to a file of its own, because removing one leaves no newer file behind that would start
# the rule.
function(clconv_embed name header type array count)
  set(list "${PROJECT_BINARY_DIR}/${name}.txt")
  set(output "${PROJECT_BINARY_DIR}/${name}.c")
  list(JOIN ARGN "\n" lines)
  file(CONFIGURE OUTPUT "${list}" CONTENT "${lines}\n" @ONLY)
  add_custom_command(
    OUTPUT "${output}"
    COMMAND "${CMAKE_COMMAND}" -D "LIST=${list}" -D "OUTPUT=${output}" -D "HEADER=${header}"
            -D "TYPE=${type}" -D "ARRAY=${array}" -D "COUNT=${count}"
            -P "${PROJECT_SOURCE_DIR}/cmake/embed.cmake"
    DEPENDS ${ARGN} "${list}" "${PROJECT_SOURCE_DIR}/cmake/embed.cmake"
    COMMENT "Embedding ${name}"
    VERBATIM
  )
endfunction()

file(GLOB clconv_kernels CONFIGURE_DEPENDS
  "${clconv_root}/cl_kernels/*.cl" "${clconv_root}/cl_kernels/*.h"
)
clconv_embed(kernel_source_embedded kernel_source.h
  clconv__embedded clconv__embedded_kernels clconv__embedded_kernel_count ${clconv_kernels}
)
set(clconv_embedded "${PROJECT_BINARY_DIR}/kernel_source_embedded.c")

# What every object of the library is compiled with.
add_library(clconv_objects_flags INTERFACE)
target_include_directories(clconv_objects_flags INTERFACE
  "${clconv_root}/include" "${clconv_root}/host"
)
target_include_directories(clconv_objects_flags SYSTEM INTERFACE "${CLCONV_XXHASH_INCLUDE}")
target_compile_definitions(clconv_objects_flags INTERFACE
  _POSIX_C_SOURCE=200809L
  CLCONV__SHARED_TUNING="${CMAKE_INSTALL_FULL_DATADIR}/clconv/tuning" # see install.cmake
)
target_link_libraries(clconv_objects_flags INTERFACE
  clconv_flags OpenCL::OpenCL Threads::Threads
)
if(CLCONV_WITH_CLBLAST)
  target_compile_definitions(clconv_objects_flags INTERFACE CLCONV_WITH_CLBLAST=1)
  target_link_libraries(clconv_objects_flags INTERFACE ${CLCONV_CLBLAST_LIBRARY})
  if(CLCONV_CLBLAST_INCLUDE)
    target_include_directories(clconv_objects_flags SYSTEM INTERFACE "${CLCONV_CLBLAST_INCLUDE}")
  endif()
endif()

# One file is compiled once for each vector instruction set; the library chooses when it runs.
# CLCONV__ISA names the variant.
function(clconv_add_host_kernel isa)
  set(target clconv_host_kernel_${isa})
  add_library(${target} OBJECT "${clconv_kernel_file}")
  target_link_libraries(${target} PRIVATE clconv_objects_flags)
  target_compile_definitions(${target} PRIVATE CLCONV__ISA=${isa})
  # -O3 in every kind of build: the tests of a debug build would take minutes otherwise. Standard C
  # switches contraction to fused multiply-add off unless it is asked for.
  target_compile_options(${target} PRIVATE -O3 -ffp-contract=fast ${ARGN})
  set(clconv_objects ${clconv_objects} $<TARGET_OBJECTS:${target}> PARENT_SCOPE)
endfunction()

set(clconv_objects "")
clconv_add_host_kernel(portable)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
  set(avx2 -mavx2 -mfma)
  set(avx512 -mavx512f -mavx512vl -mavx512bw -mavx512dq -mfma -mprefer-vector-width=512)
  check_c_compiler_flag("${avx2}" CLCONV_HAVE_AVX2)
  check_c_compiler_flag("${avx512}" CLCONV_HAVE_AVX512)
  if(CLCONV_HAVE_AVX2 AND CLCONV_HAVE_AVX512)
    clconv_add_host_kernel(avx2 ${avx2})
    clconv_add_host_kernel(avx512 ${avx512})
    target_compile_definitions(clconv_objects_flags INTERFACE CLCONV__HAVE_X86_KERNELS=1)
  endif()
endif()

add_library(clconv_objects OBJECT ${clconv_sources} "${clconv_embedded}")
target_link_libraries(clconv_objects PRIVATE clconv_objects_flags)
list(APPEND clconv_objects $<TARGET_OBJECTS:clconv_objects>)

# Dependencies are PRIVATE: for a static library CMake still hands them on to the linker. OpenCL is
# PUBLIC because the header includes its header.
function(clconv_add_library target kind)
  add_library(${target} ${kind} ${clconv_objects})
  add_library(clconv::${target} ALIAS ${target})
  target_include_directories(${target} PUBLIC
    "$<BUILD_INTERFACE:${clconv_root}/include>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>"
  )
  target_link_libraries(${target}
    PUBLIC OpenCL::OpenCL
    PRIVATE Threads::Threads ${CLCONV_CLBLAST_LIBRARY}
  )
  if(CLCONV_MATH_LIBRARY)
    target_link_libraries(${target} PRIVATE m)
  endif()
  # Not linked with clconv_flags, which would have to be installed then.
  target_link_options(${target} PRIVATE $<TARGET_PROPERTY:clconv_flags,INTERFACE_LINK_OPTIONS>)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME clconv LINKER_LANGUAGE C)
endfunction()

clconv_add_library(clconv SHARED)
clconv_add_library(clconv_static STATIC)
set_target_properties(clconv PROPERTIES VERSION "${PROJECT_VERSION}" SOVERSION 0)
