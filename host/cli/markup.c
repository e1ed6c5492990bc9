#include "markup.h"

#include <string.h>

void markup_text(FILE *file, const char *text) {
    static const struct {
        char character;
        const char *entity;
    } entities[] = {{'&', "&amp;"},  {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"},
                    {'\'', "&#39;"}, {'\n', "\n"},  {'\t', "\t"}};
    for (; *text; ++text) {
        size_t i = 0;
        while (i < sizeof entities / sizeof entities[0] && entities[i].character != *text)
            ++i;
        if (i < sizeof entities / sizeof entities[0])
            fputs(entities[i].entity, file);
        else
            fputc((unsigned char)*text < ' ' ? '?' : *text, file);
    }
}
