/* Says on stdout what the C client makes of stdin, for a test that compares it with another client.
 *
 *   driver decode   bytes in; out, a line each: messages as JSON, errors as `error NAME DETAIL`, and the counts
 *   driver encode   requests in, a line each; out: their frames in hex, or `refused`
 */
#include "mtcae_wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Guards around what the decoder may write to, so that a sanitizer is not the only one to notice. */
static struct {
    uint32_t before;
    mtcae_decoder decoder;
    uint32_t between;
    mtcae_up up;
    uint32_t after;
} room;

#define SAY(...) printf(__VA_ARGS__)

static void say_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') putchar('\\');
        putchar(*text);
    }
    putchar('"');
}

static void say_field(const char *name, const char *text)
{
    SAY("\"%s\":", name);
    say_text(text);
    putchar(',');
}

static void say_mode(const mtcae_mode *mode)
{
    SAY("{");
    say_field("format", mode->format);
    SAY("\"width\":%u,\"height\":%u,\"fps_tenths\":%u}", mode->width, mode->height, mode->fps_tenths);
}

static void say_hello(const mtcae_hello *m)
{
    SAY("\"protocol\":%u,\"boot\":%" PRIu32 ",", m->protocol, m->boot);
    say_field("device", m->device);
    say_field("firmware", m->firmware);
    say_field("model", m->model);
    say_field("model_version", m->model_version);
    say_field("engine", m->engine);
    SAY("\"labels\":[");
    for (int i = 0; i < m->label_count; i++) {
        if (i > 0) putchar(',');
        say_text(m->labels[i]);
    }
    SAY("]");
}

static void say_face(const mtcae_face *f)
{
    static const char *const smoothing[] = {"Unsure", "Holding", "Stable"};
    static const char *const quality[] = {"small", "dark", "oblique", "occluded", "partial"};
    SAY("{\"id\":%" PRIu32 ",\"area\":{\"x\":%d,\"y\":%d,\"w\":%d,\"h\":%d},\"landmarks\":[", f->id, f->area.x, f->area.y,
        f->area.w, f->area.h);
    for (int i = 0; i < MTCAE_LANDMARKS; i++)
        SAY("%s{\"x\":%d,\"y\":%d}", i > 0 ? "," : "", f->landmarks[i].x, f->landmarks[i].y);
    SAY("],\"confidence\":%u,\"scores\":[", f->confidence);
    for (int i = 0; i < f->score_count; i++) SAY("%s%u", i > 0 ? "," : "", f->scores[i]);
    SAY("],\"label\":");
    if (f->label < 0) SAY("null");
    else SAY("%d", f->label);
    SAY(",\"smoothing\":\"%s\",\"quality\":[", smoothing[f->smoothing]);
    bool first = true;
    for (int i = 0; i < 5; i++) {
        if (!(f->quality >> i & 1)) continue;
        SAY("%s\"%s\"", first ? "" : ",", quality[i]);
        first = false;
    }
    SAY("]}");
}

static void say_report(const mtcae_report *m)
{
    SAY("\"boot\":%" PRIu32 ",\"seq\":%" PRIu32 ",\"captured_us\":%" PRIu64 ",\"age_us\":%" PRIu32, m->boot, m->seq,
        m->captured_us, m->age_us);
    SAY(",\"width\":%u,\"height\":%u,\"dropped\":%" PRIu32 ",\"faces\":%u,\"face\":", m->width, m->height, m->dropped,
        m->faces);
    if (m->has_face) say_face(&m->face);
    else SAY("null");
}

static void say_status(const mtcae_status *m)
{
    static const char *const camera[] = {"Starting", "Streaming", "Lost", "Ended", "Off", "Private"};
    static const char *const sink[] = {"Connecting", "Connected", "Lost"};
    static const char *const condition[] = {"Unknown", "Good", "Strained", "Bad"};
    static const char *const stages[] = {"decode", "crop", "infer", "outputs", "encode"};
    const mtcae_percentiles times[] = {m->decode, m->crop, m->infer, m->outputs, m->encode};
    SAY("\"boot\":%" PRIu32 ",\"uptime_ms\":%" PRIu64 ",\"unix_offset_us\":", m->boot, m->uptime_ms);
    if (m->has_unix_offset) SAY("%" PRId64 ",", m->unix_offset_us);
    else SAY("null,");
    say_field("engine", m->engine);
    SAY("\"camera\":\"%s\",\"sink\":\"%s\",\"counters\":{\"frames\":%" PRIu32 ",\"clips\":%" PRIu32 ",\"reports\":%" PRIu32,
        camera[m->camera], sink[m->sink], m->frames, m->clips, m->reports);
    SAY(",\"dropped_frames\":%" PRIu32 ",\"dropped_reports\":%" PRIu32 ",\"bad_received\":%" PRIu32 ",\"reconnects\":%" PRIu32,
        m->dropped_frames, m->dropped_reports, m->bad_received, m->reconnects);
    SAY("},\"fps_tenths\":%u,\"temperature_tenths_c\":", m->fps_tenths);
    if (m->has_temperature) SAY("%d", m->temperature_tenths_c);
    else SAY("null");
    SAY(",\"rss_kib\":%" PRIu32 ",\"latency\":{", m->rss_kib);
    for (int i = 0; i < 5; i++)
        SAY("%s\"%s\":{\"p50_us\":%" PRIu32 ",\"p99_us\":%" PRIu32 "}", i > 0 ? "," : "", stages[i], times[i].p50_us,
            times[i].p99_us);
    SAY("},\"parts\":{\"engine\":\"%s\",\"storage\":\"%s\",\"temperature\":\"%s\",\"memory\":\"%s\",\"clock\":\"%s\"}",
        condition[m->engine_part], condition[m->storage], condition[m->temperature], condition[m->memory],
        condition[m->clock]);
    SAY(",\"clips_tenths\":%u", m->clips_tenths);
}

static void say_pair(const char *name, const mtcae_slot_pair *pair)
{
    static const char *const active[] = {"null", "\"A\"", "\"B\""};
    static const char *const state[] = {"Writing", "Ready", "Trial", "Confirmed", "Failed"};
    SAY("\"%s\":{\"active\":%s,\"slots\":[", name, active[pair->active + 1]);
    for (int i = 0; i < 2; i++) {
        const mtcae_slot *slot = &pair->slots[i];
        if (i > 0) putchar(',');
        if (!slot->used) {
            SAY("null");
            continue;
        }
        SAY("{\"transfer\":%" PRIu32 ",", slot->transfer);
        say_field("version", slot->version);
        SAY("\"security_counter\":%" PRIu32 ",\"state\":\"%s\"}", slot->security_counter, state[slot->state]);
    }
    SAY("]},");
}

static void say_slots(const mtcae_slots *m)
{
    SAY("\"token\":%" PRIu32 ",", m->token);
    say_field("family", m->family);
    say_pair("model", &m->model);
    say_pair("daemon", &m->daemon);
    SAY("\"trial_starts_left\":");
    if (m->trial_starts_left < 0) SAY("null");
    else SAY("%d", m->trial_starts_left);
    SAY(",\"security_counter\":%" PRIu32 ",\"free_bytes\":%" PRIu64, m->security_counter, m->free_bytes);
}

/* 128 bits in decimal, by long division of 32 bits at a time. */
static void say_u128(uint64_t low, uint64_t high)
{
    uint32_t limbs[4] = {(uint32_t)(high >> 32), (uint32_t)high, (uint32_t)(low >> 32), (uint32_t)low};
    char digits[40] = {0};
    int at = 39;
    do {
        uint64_t rest = 0;
        for (int i = 0; i < 4; i++) {
            rest = rest << 32 | limbs[i];
            limbs[i] = (uint32_t)(rest / 10);
            rest %= 10;
        }
        digits[--at] = (char)('0' + rest);
    } while ((limbs[0] | limbs[1] | limbs[2] | limbs[3]) != 0);
    SAY("%s", digits + at);
}

static void say_update_state(const mtcae_update_state *m)
{
    static const char *const phase[] = {"Idle", "Receiving", "Verifying", "Verified", "Installing", "Installed"};
    SAY("\"token\":%" PRIu32 ",\"transfer\":%" PRIu32 ",\"phase\":\"%s\",\"chunks\":%" PRIu32 ",\"durable\":%" PRIu32, m->token,
        m->transfer, phase[m->phase], m->chunks, m->durable);
    SAY(",\"received\":%" PRIu32 ",\"later\":", m->received);
    say_u128(m->later_low, m->later_high);
    SAY(",\"window\":%u,\"checked\":%" PRIu32, m->window, m->checked);
}

static void say_refused(const mtcae_update_refused *m)
{
    static const char *const refusal[] = {"WrongBoard", "NoSpace", "OlderCounter", "AlreadyInstalled", "Busy",
                                          "Storage",    "Damaged", "NotTrusted",   "Unusable",         "NotAllowed"};
    SAY("\"token\":%" PRIu32 ",\"transfer\":%" PRIu32 ",\"refusal\":\"%s\",\"detail\":", m->token, m->transfer,
        refusal[m->refusal]);
    say_text(m->detail);
}

static void say_message(const mtcae_up *up)
{
    static const char *const kinds[] = {"Hello", "Report", "Status",      "Log",           "Pong",      "Ack",
                                        "Nack",  "Slots",  "UpdateState", "UpdateRefused", "CameraMode"};
    static const char *const level[] = {"Error", "Warn", "Info", "Debug"};
    static const char *const reason[] = {"Unsupported", "BadValue", "Busy", "Failed"};
    SAY("{\"%s\":{", kinds[up->kind]);
    switch (up->kind) {
    case MTCAE_HELLO: say_hello(&up->as.hello); break;
    case MTCAE_REPORT: say_report(&up->as.report); break;
    case MTCAE_STATUS: say_status(&up->as.status); break;
    case MTCAE_LOG:
        SAY("\"level\":\"%s\",\"at_us\":%" PRIu64 ",\"text\":", level[up->as.log.level], up->as.log.at_us);
        say_text(up->as.log.text);
        break;
    case MTCAE_PONG: SAY("\"token\":%" PRIu32 ",\"board_us\":%" PRIu64, up->as.pong.token, up->as.pong.board_us); break;
    case MTCAE_ACK: SAY("\"token\":%" PRIu32, up->as.ack.token); break;
    case MTCAE_NACK:
        SAY("\"token\":%" PRIu32 ",\"reason\":\"%s\",\"detail\":", up->as.nack.token, reason[up->as.nack.reason]);
        say_text(up->as.nack.detail);
        break;
    case MTCAE_SLOTS: say_slots(&up->as.slots); break;
    case MTCAE_UPDATE_STATE: say_update_state(&up->as.update_state); break;
    case MTCAE_UPDATE_REFUSED: say_refused(&up->as.update_refused); break;
    case MTCAE_CAMERA_MODE:
        SAY("\"token\":%" PRIu32 ",\"index\":%u,\"count\":%u,\"mode\":", up->as.camera_mode.token, up->as.camera_mode.index,
            up->as.camera_mode.count);
        say_mode(&up->as.camera_mode.mode);
        SAY(",\"current\":%s,\"readable\":%s", up->as.camera_mode.current ? "true" : "false",
            up->as.camera_mode.readable ? "true" : "false");
        break;
    }
    SAY("}}\n");
}

static int decode(void)
{
    static const char *const errors[] = {"",         "",          "overlong", "framing", "short", "checksum",
                                         "direction", "version", "unknown",  "body",    "invalid"};
    const uint32_t guard = 0xa5c3965a;
    room.before = room.between = room.after = guard;
    mtcae_decoder_init(&room.decoder);
    for (int byte; (byte = getchar()) != EOF;) {
        mtcae_result result = mtcae_decoder_push(&room.decoder, (uint8_t)byte, &room.up);
        if (result == MTCAE_MESSAGE) say_message(&room.up);
        else if (result != MTCAE_NOTHING) SAY("error %s %u\n", errors[result], room.decoder.detail);
        if (room.before != guard || room.between != guard || room.after != guard) return 3;
    }
    SAY("counts %" PRIu32 " %" PRIu32 " %" PRIu32 "\n", room.decoder.good, room.decoder.bad, room.decoder.overlong);
    return 0;
}

/* A text in hex, `-` for none, into 9 bytes; more than fit stay without their zero at the end. */
static void unhex(const char *hex, char text[9])
{
    unsigned byte;
    memset(text, 0, 9);
    for (int i = 0; i < 9 && sscanf(hex + 2 * i, "%2x", &byte) == 1; i++) text[i] = (char)byte;
}

/* A number, or `-` for none. */
static bool optional(const char *word, uint32_t *value) { return sscanf(word, "%" SCNu32, value) == 1; }

static size_t encode_line(const char *line, uint8_t *frame)
{
    static const struct {
        const char *name;
        mtcae_request request;
    } bare[] = {{"Ping", MTCAE_PING},       {"SlotsQuery", MTCAE_SLOTS_QUERY}, {"UpdateQuery", MTCAE_UPDATE_QUERY},
                {"Confirm", MTCAE_CONFIRM}, {"Rollback", MTCAE_ROLLBACK},      {"CameraModesQuery", MTCAE_CAMERA_MODES_QUERY}};
    char name[24], words[4][24];
    uint32_t token = 0, every = 0, status = 0, log = 0, lines = 0;
    uint64_t time;
    mtcae_mode mode;
    int got = sscanf(line, "%23s %" SCNu32 " %23s %23s %23s %23s", name, &token, words[0], words[1], words[2], words[3]);
    for (size_t i = 0; i < sizeof bare / sizeof bare[0]; i++)
        if (strcmp(name, bare[i].name) == 0) return mtcae_encode_request(frame, bare[i].request, token);
    if (strcmp(name, "Hello") == 0) return mtcae_encode_hello(frame);
    if (strcmp(name, "SetTime") == 0 && sscanf(words[0], "%" SCNu64, &time) == 1)
        return mtcae_encode_set_time(frame, token, time);
    if (strcmp(name, "LogsQuery") == 0 && optional(words[0], &lines))
        return mtcae_encode_logs_query(frame, token, (uint8_t)lines);
    if (strcmp(name, "Stop") == 0) return mtcae_encode_camera(frame, token, MTCAE_STOP, NULL);
    if (strcmp(name, "Start") == 0) return mtcae_encode_camera(frame, token, MTCAE_START, NULL);
    if (strcmp(name, "Choose") == 0 && got == 6 && optional(words[1], &every) && optional(words[2], &status) &&
        optional(words[3], &log)) {
        unhex(words[0], mode.format);
        mode.width = (uint16_t)every;
        mode.height = (uint16_t)status;
        mode.fps_tenths = (uint16_t)log;
        return mtcae_encode_camera(frame, token, MTCAE_CHOOSE, &mode);
    }
    if (strcmp(name, "Subscribe") == 0 && got == 5) {
        mtcae_subscription wanted = {0};
        wanted.reports = optional(words[0], &every);
        wanted.report_every_ms = (uint16_t)every;
        wanted.statuses = optional(words[1], &status);
        wanted.status_every_ms = status;
        wanted.logs = optional(words[2], &log);
        wanted.log = (mtcae_level)log;
        return mtcae_encode_subscribe(frame, token, &wanted);
    }
    fprintf(stderr, "not a request: %s", line);
    return SIZE_MAX;
}

static int encode(void)
{
    char line[160];
    while (fgets(line, sizeof line, stdin)) {
        uint8_t frame[MTCAE_MAX_REQUEST];
        size_t len = encode_line(line, frame);
        if (len == SIZE_MAX) return 2;
        for (size_t i = 0; i < len; i++) SAY("%02x", frame[i]);
        SAY("%s\n", len == 0 ? "refused" : "");
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "decode") == 0) return decode();
    if (argc == 2 && strcmp(argv[1], "encode") == 0) return encode();
    fprintf(stderr, "usage: %s decode|encode\n", argv[0]);
    return 2;
}
