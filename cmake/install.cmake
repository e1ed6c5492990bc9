# cmake --install: header, libraries, package files for CMake and pkg-config, command, documents,
# tuned choices.
install(TARGETS clconv clconv_static EXPORT clconvTargets)
install(FILES "${PROJECT_SOURCE_DIR}/include/clconv.h" TYPE INCLUDE)
if(CLCONV_WITH_CLI)
  install(TARGETS clconv_cli)
endif()
install(FILES "${PROJECT_SOURCE_DIR}/docs/clconv.1" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1"
  OPTIONAL
)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/tuning/"
  DESTINATION "${CMAKE_INSTALL_DATADIR}/clconv/tuning" FILES_MATCHING PATTERN "*.tuning"
)
foreach(document README.md CHANGELOG.md LICENSE)
  install(FILES "${PROJECT_SOURCE_DIR}/${document}" TYPE DOC OPTIONAL)
endforeach()

set(clconv_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/clconv")
install(EXPORT clconvTargets NAMESPACE clconv:: DESTINATION "${clconv_cmake_dir}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/clconvConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/clconvConfig.cmake" INSTALL_DESTINATION "${clconv_cmake_dir}"
)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/clconvConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion
)
install(FILES
  "${PROJECT_BINARY_DIR}/clconvConfig.cmake" "${PROJECT_BINARY_DIR}/clconvConfigVersion.cmake"
  DESTINATION "${clconv_cmake_dir}"
)

# Paths relative to the .pc file let the installed tree be moved.
set(clconv_pc_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH clconv_pc_include
  "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_FULL_INCLUDEDIR}"
)
set(clconv_pc_private "")
if(CLCONV_WITH_CLBLAST)
  string(APPEND clconv_pc_private " -lclblast")
endif()
if(CLCONV_MATH_LIBRARY)
  string(APPEND clconv_pc_private " -lm")
endif()
string(APPEND clconv_pc_private " ${CMAKE_THREAD_LIBS_INIT}")
string(STRIP "${clconv_pc_private}" clconv_pc_private)
configure_file("${PROJECT_SOURCE_DIR}/cmake/clconv.pc.in" "${PROJECT_BINARY_DIR}/clconv.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/clconv.pc" DESTINATION "${clconv_pc_dir}")
