#include "svg.h"

#include "support.h"

static const svg_scale steps = {0, 1000, 100, 300, true};
static const svg_scale decades = {-2, 2, 200, 0, false};

/* What a function writes. */
static const char *written(void (*write)(FILE *f)) {
    static char text[16384];
    FILE *f = tmpfile();
    assert_non_null(f);
    write(f);
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static void test_svg_at_linear_and_decades(void **state) {
    (void)state;
    assert_near(svg_at(&steps, 250), 150, 1e-9);
    assert_near(svg_at(&decades, 1), 100, 1e-9);
    assert_near(svg_at(&decades, 0.1), 150, 1e-9);
}

/* Also 0 on a scale of decades, whose logarithm is infinite. */
static void test_svg_at_outside_lies_at_the_end(void **state) {
    (void)state;
    assert_near(svg_at(&steps, 2000), 300, 0);
    assert_near(svg_at(&decades, 0), 200, 0);
    assert_near(svg_at(&decades, 1e9), 0, 0);
}

static void write_axes(FILE *f) {
    svg_axes(f, &steps, &decades, "step", "loss");
}

static void test_svg_axes_numbers(void **state) {
    const char *text = written(write_axes);
    (void)state;
    assert_non_null(strstr(text, "x=\"140.0\" y=\"216.0\" text-anchor=\"middle\">200<"));
    assert_null(strstr(text, ">300<"));
    assert_non_null(strstr(text, "text-anchor=\"end\">0.01<"));
    assert_non_null(strstr(text, ">step<"));
    assert_non_null(strstr(text, ">loss<"));
}

static void write_wide_axes(FILE *f) {
    const svg_scale wide = {-20, 20, 200, 0, false};
    svg_axes(f, &steps, &wide, "", "");
}

static void test_svg_axes_many_decades(void **state) {
    const char *text = written(write_wide_axes);
    (void)state;
    assert_non_null(strstr(text, ">1e-20<"));
    assert_null(strstr(text, ">1e-19<"));
    assert_non_null(strstr(text, ">1e15<"));
}

static void write_file(FILE *f) {
    const double xs[] = {0, 1, 2}, ys[] = {100, 1, 0};
    svg_begin_file(f, "title");
    svg_curve(f, 0, &steps, &decades, NULL, ys, 3);
    svg_curve(f, 9, &steps, &decades, xs, ys, 2);
    svg_end(f);
}

static void test_svg_begin_file_stands_alone(void **state) {
    const char *text = written(write_file);
    (void)state;
    assert_int_equal(strncmp(text, "<svg xmlns=\"http://www.w3.org/2000/svg\"", 39), 0);
    assert_non_null(strstr(text, "prefers-color-scheme:dark"));
    assert_non_null(strstr(text, "class=\"curve c1\" points=\"100.0,0.0 100.2,100.0\""));
    assert_non_null(strstr(text, "points=\"100.0,0.0 100.2,100.0 100.4,200.0\""));
    assert_non_null(strstr(text, "</svg>\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_svg_at_linear_and_decades),
        cmocka_unit_test(test_svg_at_outside_lies_at_the_end),
        cmocka_unit_test(test_svg_axes_numbers),
        cmocka_unit_test(test_svg_axes_many_decades),
        cmocka_unit_test(test_svg_begin_file_stands_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
