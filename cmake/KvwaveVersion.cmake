# The version is the project's; the commit is read at build time so that an incremental build never lies about it.
set(KVWAVE_GENERATED ${PROJECT_BINARY_DIR}/generated)
add_custom_target(kvwave_commit ALL
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DOUTPUT=${KVWAVE_GENERATED}/kvwave_commit.h
          -DVERSION=${PROJECT_VERSION} -P ${PROJECT_SOURCE_DIR}/cmake/WriteCommit.cmake
  BYPRODUCTS ${KVWAVE_GENERATED}/kvwave_commit.h)
