# Warnings and sanitizers, for the project's own targets only.
add_library(clconv_flags INTERFACE)
target_compile_options(clconv_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
  -Wcast-qual
)
if(CLCONV_WERROR)
  target_compile_options(clconv_flags INTERFACE -Werror)
endif()

# libFuzzer wants to see where the code goes; its targets are linked with it.
if(CLCONV_FUZZ)
  target_compile_options(clconv_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

if(CLCONV_SANITIZE)
  set(sanitize "-fsanitize=${CLCONV_SANITIZE}" -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_compile_options(clconv_flags INTERFACE ${sanitize})
  target_link_options(clconv_flags INTERFACE ${sanitize})
endif()
