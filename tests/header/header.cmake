# The public header alone, as C and as C++. The build is the test.
function(clconv_add_header_test language standard)
  string(TOLOWER "${language}${standard}" suffix)
  string(REPLACE "cxx" "cpp" suffix "${suffix}")
  set(target clconv_header_${suffix})
  if(language STREQUAL "C")
    set(source "${CMAKE_CURRENT_SOURCE_DIR}/header/header.c")
  else()
    set(source "${CMAKE_CURRENT_SOURCE_DIR}/header/header.cpp")
  endif()
  add_library(${target} OBJECT "${source}")
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(${target} PRIVATE OpenCL::OpenCL)
  target_compile_options(${target} PRIVATE -pedantic -Wall -Wextra -Werror)
  set_target_properties(${target} PROPERTIES
    ${language}_STANDARD ${standard}
    ${language}_STANDARD_REQUIRED ON
    ${language}_EXTENSIONS OFF
  )
endfunction()

clconv_add_header_test(C 99)
clconv_add_header_test(C 11)

include(CheckLanguage)
check_language(CXX)
if(CMAKE_CXX_COMPILER)
  enable_language(CXX)
  clconv_add_header_test(CXX 11)
else()
  message(STATUS "The header is not tested as C++: there is no compiler for it")
endif()
