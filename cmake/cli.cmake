# The command: build/clconv. It is linked with the static library, so it runs from anywhere.
# Sets CLCONV_WITH_CLI.
set(CLCONV_WITH_CLI OFF)
if(NOT CLCONV_BUILD_CLI)
  return()
endif()

find_package(PNG)
find_path(CLCONV_CJSON_INCLUDE cjson/cJSON.h)
find_library(CLCONV_CJSON_LIBRARY cjson)
mark_as_advanced(CLCONV_CJSON_INCLUDE CLCONV_CJSON_LIBRARY)
if(NOT PNG_FOUND OR NOT CLCONV_CJSON_INCLUDE OR NOT CLCONV_CJSON_LIBRARY)
  message(STATUS "The command clconv is not built: it needs libpng and cJSON with their headers")
  return()
endif()

file(GLOB clconv_cli_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/host/cli/*.c")
list(REMOVE_ITEM clconv_cli_sources "${PROJECT_SOURCE_DIR}/host/cli/main.c")
set(CLCONV_WITH_CLI ON)

# All but main.c, so that tests can link single files of it.
file(GLOB clconv_cases CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/cases/*.txt")
clconv_embed(cases_embedded case_list.h
  embedded_cases embedded_case_files embedded_case_file_count ${clconv_cases}
)
add_library(clconv_cli_files STATIC
  ${clconv_cli_sources} "${PROJECT_BINARY_DIR}/cases_embedded.c"
)
target_include_directories(clconv_cli_files PUBLIC "${PROJECT_SOURCE_DIR}/host/cli")
target_include_directories(clconv_cli_files SYSTEM PUBLIC "${CLCONV_CJSON_INCLUDE}")
target_compile_definitions(clconv_cli_files PUBLIC _POSIX_C_SOURCE=200809L)
target_link_libraries(clconv_cli_files
  PUBLIC clconv_static PNG::PNG "${CLCONV_CJSON_LIBRARY}" Threads::Threads
  PRIVATE clconv_flags
)
if(CLCONV_MATH_LIBRARY)
  target_link_libraries(clconv_cli_files PUBLIC m)
endif()

add_executable(clconv_cli "${PROJECT_SOURCE_DIR}/host/cli/main.c")
target_link_libraries(clconv_cli PRIVATE clconv_cli_files clconv_flags)
set_target_properties(clconv_cli PROPERTIES
  OUTPUT_NAME clconv
  RUNTIME_OUTPUT_DIRECTORY "$<1:${PROJECT_BINARY_DIR}>"
)
