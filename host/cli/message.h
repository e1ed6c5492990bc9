/*
 * Size of the texts in which the files of the command say what went wrong.
 */
#ifndef CLCONV_CLI_MESSAGE_H
#define CLCONV_CLI_MESSAGE_H

#define MESSAGE_SIZE 768

#endif
