# cmake -D LIST=FILE -D OUTPUT=FILE -D HEADER=H -D TYPE=T -D ARRAY=A -D COUNT=C -P embed.cmake
# Writes C source with the content of every file that LIST names, one per line, as array A of struct
# T {name, text, size} and its length C, both declared in header H. The bytes become
# character constants, because compilers need not accept string literals as long as a kernel.
file(STRINGS "${LIST}" files)

# The digits of 12 bytes: what fits a line of 100 columns.
string(REPEAT "." 24 line)

set(arrays "")
set(rows "")
set(count 0)
foreach(file IN LISTS files)
  get_filename_component(name "${file}" NAME)
  file(READ "${file}" bytes HEX)
  string(LENGTH "${bytes}" size)
  math(EXPR size "${size} / 2")
  string(REGEX REPLACE "(${line})" "\\1\n    " bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
  string(APPEND arrays "/* ${name} */\nstatic const char text_${count}[] = {\n    ${bytes}0};\n\n")
  string(APPEND rows "    {\"${name}\", text_${count}, ${size}},\n")
  math(EXPR count "${count} + 1")
endforeach()

file(WRITE "${OUTPUT}" "/* Made by cmake/embed.cmake. */
#include \"${HEADER}\"

${arrays}const struct ${TYPE} ${ARRAY}[] = {
${rows}    {NULL, NULL, 0},
};

const size_t ${COUNT} = ${count};
")
