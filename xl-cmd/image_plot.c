/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-ext image inspect --plot: a picture of a guest's image, as plain
 * SVG.  How much is drawn is bounded by the facts, which have at most
 * LIBXL_EXT_IMAGE_PASSES passes and LIBXL_EXT_IMAGE_CELLS cells.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image.h"

#define U(n) ((unsigned long long)(n))

/* In units of the picture, which a viewer scales as it likes. */
#define WIDTH     960
#define HEIGHT    480
#define LEFT      70.0
#define ROOM      (WIDTH - LEFT - 20)
#define PASS_TOP  70.0
#define PASS_ROOM 150.0
#define CELL_TOP  310.0
#define CELL_ROOM 100.0
#define GAP       8.0           /* a hole in the address space */
#define LABELS    12            /* of frame numbers */

struct colour {
    const char *fill, *name;
};

static const struct colour pass_colours[] = {
    { "#3b6ea8", "sent first" },
    { "#d9822b", "sent again" },
    { "#b9b9b9", "sent again, unchanged" },
};

/* By enum libxl_ext_image_cell_kind; holes are not drawn. */
static const struct colour cell_colours[LIBXL_EXT_IMAGE_CELL_HOLE] = {
    { "#3b6ea8", "plain pages" },
    { "#c9d9ea", "zero pages" },
    { "#a8323b", "page tables" },
    { "#e3c770", "allocated, no contents" },
};

/* Text of the image within XML: ASCII, a '?' for any other character. */
static void put_text(FILE *to, const char *s)
{
    for (; *s; s++) {
        unsigned char c = *s;

        if ((c & 0xc0) == 0x80)
            continue;           /* of one that was shown already */
        if (strchr("<>&\"'", c))
            fprintf(to, "&#%d;", c);
        else
            fputc(c < ' ' || c > '~' ? '?' : c, to);
    }
}

static void put_rect(FILE *to, double x, double y, double w, double h,
                     const char *fill)
{
    if (w > 0 && h > 0)
        fprintf(to, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\""
                " height=\"%.2f\" fill=\"%s\"/>\n", x, y, w, h, fill);
}

static void put_legend(FILE *to, double y, const struct colour *c,
                       unsigned int nr)
{
    double x = LEFT;

    for (; nr; nr--, c++, x += 190) {
        put_rect(to, x, y - 9, 10, 10, c->fill);
        fprintf(to, "<text x=\"%.0f\" y=\"%.0f\">%s</text>\n", x + 15, y,
                c->name);
    }
}

/* ---- passes ----------------------------------------------------- */

static void put_pass(FILE *to, const struct libxl_ext_image_pass *p,
                     unsigned int nr, double x, double width, double scale)
{
    const uint64_t parts[] = {
        p->data - p->again, p->again - p->unchanged, p->unchanged,
    };
    double y = PASS_TOP + PASS_ROOM, h;
    unsigned int i;

    fprintf(to, "<g><title>pass %u%s: %llu frames, %llu sent first, %llu"
            " again, %llu of these unchanged</title>\n", nr,
            p->verify ? " (verify)" : "", U(p->named), U(parts[0]),
            U(p->again), U(p->unchanged));
    for (i = 0; i < 3; i++) {
        h = parts[i] * scale;
        y -= h;
        put_rect(to, x, y, width, h, pass_colours[i].fill);
    }
    fprintf(to, "</g>\n");
    if (nr == 1 || p->verify || nr % 8 == 0)
        fprintf(to, "<text x=\"%.2f\" y=\"%.0f\">%s%u</text>\n", x,
                PASS_TOP + PASS_ROOM + 14, p->verify ? "V" : "", nr);
}

static void put_passes(FILE *to, const struct libxl_ext_image *im)
{
    uint64_t most = 1;
    double step, width;
    uint32_t i;

    for (i = 0; i < im->nr_passes; i++)
        if (im->passes[i].data > most)
            most = im->passes[i].data;
    step = ROOM / (im->nr_passes < 8 ? 8 : im->nr_passes);
    width = step * 0.8;
    fprintf(to, "<g id=\"passes\">\n<text x=\"%.0f\" y=\"%.0f\">pages with"
            " contents by pass (V: verify)</text>\n", LEFT,
            PASS_TOP - 10);
    fprintf(to, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">%llu"
            "</text>\n", LEFT - 5, PASS_TOP + 8, U(most));
    for (i = 0; i < im->nr_passes; i++)
        put_pass(to, &im->passes[i], i + 1, LEFT + i * step, width,
                 PASS_ROOM / most);
    put_legend(to, PASS_TOP + PASS_ROOM + 34, pass_colours, 3);
    fprintf(to, "</g>\n");
}

/* ---- address space ---------------------------------------------- */

static bool is_hole(const struct libxl_ext_image_cell *c)
{
    unsigned int i;

    for (i = 0; i < LIBXL_EXT_IMAGE_CELL_HOLE; i++)
        if (c->counts[i])
            return false;
    return true;
}

static void put_cell(FILE *to, const struct libxl_ext_image_cell *c,
                     double x, double width)
{
    double y = CELL_TOP + CELL_ROOM, h;
    unsigned int i;

    fprintf(to, "<g><title>frames 0x%llx to 0x%llx: %llu plain, %llu zero,"
            " %llu tables, %llu allocated, %llu not there</title>\n",
            U(c->first), U(c->first + c->frames - 1),
            U(c->counts[LIBXL_EXT_IMAGE_CELL_PLAIN]),
            U(c->counts[LIBXL_EXT_IMAGE_CELL_ZERO]),
            U(c->counts[LIBXL_EXT_IMAGE_CELL_TABLE]),
            U(c->counts[LIBXL_EXT_IMAGE_CELL_EMPTY]),
            U(c->counts[LIBXL_EXT_IMAGE_CELL_HOLE]));
    if (is_hole(c))
        fprintf(to, "<path d=\"M%.2f %.0fv%.0f\" stroke=\"#888\""
                " stroke-dasharray=\"3 3\"/>\n", x + width / 2, CELL_TOP,
                CELL_ROOM);
    for (i = 0; i < LIBXL_EXT_IMAGE_CELL_HOLE; i++) {
        h = CELL_ROOM * c->counts[i] / c->frames;
        y -= h;
        put_rect(to, x, y, width, h, cell_colours[i].fill);
    }
    fprintf(to, "</g>\n");
}

static void put_cells(FILE *to, const struct libxl_ext_image *im)
{
    unsigned int holes = 0, labels = 0;
    double x = LEFT, width, gap;
    bool was_hole = true;
    uint32_t i;

    for (i = 0; i < im->nr_cells; i++)
        holes += is_hole(&im->cells[i]);
    /* Holes get at most a third of the room. */
    gap = holes * GAP > ROOM / 3 ? ROOM / 3 / holes : GAP;
    width = im->nr_cells > holes
            ? (ROOM - holes * gap) / (im->nr_cells - holes) : 0;
    fprintf(to, "<g id=\"cells\">\n<text x=\"%.0f\" y=\"%.0f\">frames of"
            " the guest, %llu to a column, by type in the end</text>\n",
            LEFT, CELL_TOP - 10, U(im->cell_frames));
    for (i = 0; i < im->nr_cells; i++) {
        const struct libxl_ext_image_cell *c = &im->cells[i];
        bool hole = is_hole(c);

        put_cell(to, c, x, hole ? gap : width);
        if (was_hole && !hole && labels++ < LABELS)
            fprintf(to, "<text x=\"%.2f\" y=\"%.0f\">0x%llx</text>\n", x,
                    CELL_TOP + CELL_ROOM + 14, U(c->first));
        was_hole = hole;
        x += hole ? gap : width;
    }
    put_legend(to, CELL_TOP + CELL_ROOM + 34, cell_colours,
               LIBXL_EXT_IMAGE_CELL_HOLE);
    fprintf(to, "</g>\n");
}

static void put_picture(FILE *to, const struct libxl_ext_image *im)
{
    fprintf(to, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d"
            " %d\" font-family=\"sans-serif\" font-size=\"12\">\n"
            "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n"
            "<text x=\"%.0f\" y=\"24\" font-size=\"16\">", WIDTH, HEIGHT,
            WIDTH, HEIGHT, LEFT);
    put_text(to, *im->name ? im->name : "a guest");
    fprintf(to, ", x86 %s: %llu frames, %llu allocated, image of %llu"
            " bytes%s</text>\n", im->hvm ? "HVM" : "PV", U(im->frames),
            U(im->populated), U(im->size),
            im->complete ? "" : ", not whole");
    put_passes(to, im);
    put_cells(to, im);
    fprintf(to, "</svg>\n");
}

/* Never over another file: it might be the image itself. */
int image_plot(const struct command_call *call, const char *path,
               const struct libxl_ext_image *im)
{
    FILE *to;
    bool bad;
    int fd;

    if (!strcmp(path, "-")) {
        command_error(call, "--plot -: standard output has what is said of"
                      " the image: name a file (./- where that is its"
                      " name)");
        return -1;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    to = fd < 0 ? NULL : fdopen(fd, "w");
    if (!to) {
        command_error(call, "cannot make %s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    put_picture(to, im);
    bad = fflush(to) || ferror(to);
    if (fclose(to) || bad) {
        command_error(call, "cannot write %s: %s", path, strerror(errno));
        unlink(path);
        return -1;
    }
    return 0;
}
