# What the tests need where they are built with a sanitizer: CLCONV_SANITIZER_ENVIRONMENT, and
# CLCONV_TEST_ICD, the folder of OpenCL drivers that they use; empty for those of the machine.
set(CLCONV_SANITIZER_ENVIRONMENT "")
set(CLCONV_TEST_ICD "")

# PoCL runs clean under the sanitizers; drivers in general do not.
if(CLCONV_SANITIZE AND EXISTS /etc/OpenCL/vendors/pocl.icd)
  set(CLCONV_TEST_ICD "${PROJECT_BINARY_DIR}/pocl-icd")
  file(COPY /etc/OpenCL/vendors/pocl.icd DESTINATION "${CLCONV_TEST_ICD}")
endif()

if(CLCONV_SANITIZE MATCHES "address")
  # Leaks are found with ptrace, which some containers forbid; the search then fails every program.
  include(CheckCSourceRuns)
  set(CMAKE_REQUIRED_FLAGS -fsanitize=address)
  check_c_source_runs("int main(void) { return 0; }" CLCONV_LEAK_DETECTION)
  unset(CMAKE_REQUIRED_FLAGS)
  if(CLCONV_LEAK_DETECTION)
    set(leaks 1)
  else()
    set(leaks 0)
    message(STATUS "The tests do not look for leaks: LeakSanitizer does not run here")
  endif()
  # Drivers' threads end while leaks are searched; what they kept in thread-local storage is gone then,
  # and the search died of it once, so it looks elsewhere (use_tls=0).
  # Tests ask for more memory than there is; malloc must then return NULL as it does elsewhere.
  set(CLCONV_SANITIZER_ENVIRONMENT
    "ASAN_OPTIONS=detect_leaks=${leaks}:allocator_may_return_null=1"
    "LSAN_OPTIONS=use_tls=0:print_suppressions=0:suppressions=${CMAKE_CURRENT_SOURCE_DIR}/leaks.supp"
    "UBSAN_OPTIONS=print_stacktrace=1"
  )
endif()

# Threads in the child of a process that had some are what a test tries.
if(CLCONV_SANITIZE MATCHES "thread")
  set(CLCONV_SANITIZER_ENVIRONMENT "TSAN_OPTIONS=die_after_fork=0")
endif()
