# Warnings, hardening and sanitizers, for the project's own targets only.
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

# What makes a mistake in memory end in a message instead of in somebody else's code; tests/hardened.sh
# sees that it arrives. Sanitizers have their own.
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
set(CLCONV_IS_HARDENED OFF)
if(CLCONV_HARDEN AND NOT CLCONV_SANITIZE AND CMAKE_SYSTEM_NAME STREQUAL "Linux"
    AND CMAKE_C_COMPILER_ID MATCHES "^(GNU|Clang)$")
  set(CLCONV_IS_HARDENED ON)
  target_compile_options(clconv_flags INTERFACE -fstack-protector-strong
    "$<$<CONFIG:Release,RelWithDebInfo,MinSizeRel>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>"
  )
  target_link_options(clconv_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
endif()
