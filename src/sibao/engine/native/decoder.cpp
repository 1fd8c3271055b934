// One step of a decoder over a ragged batch: any number of new tokens of any number of sequences, in one pass. An encoder is
// the same with all of a sequence seen from everywhere; the decoder beside it also looks at what the encoder made of a source.
//
// All threads walk through the layers together and split each operation; barriers stand where one needs what another made.
// M tokens, D width, H query heads, K key/value heads, E their size, N inner width of the feed-forward.
#include <vector>
#include "attention.h"
#include "matrix.h"
#include "pool.h"
#include "rank.h"

extern "C" {

struct Norm {
    const float *weight, *bias;  // no weight: no norm
};

struct Layer {
    Norm before, after_attention, before_feed, after_feed, query, key;
    Matrix qkv[3], out, gate_up[2], down;  // gate_up: where there is no gate, the second is empty
    int32_t window, local;           // positions seen (0: all); whether the second table of rotations holds
    uint8_t* cache;
    Norm before_cross, after_cross;  // of the part that looks at a source, where there is one
    Matrix cross_query, cross[2], cross_out;  // cross: keys and values of the source
};

struct Model {
    int32_t layers, D, H, K, E, N, vocab, rotated, norm_kind, activation, gated, cache_kind;
    float norm_eps, scale, attention_cap, logit_cap, embedding_scale;
    int32_t tied_head;           // the embedding is a column of the head's packed weight
    int64_t block_bytes;
    const Layer* layer;
    const void* embedding;       // [vocab, D], floats or bfloat16
    const float* positions;      // [positions, D] or nothing
    const float *cos, *sin, *local_cos, *local_sin;  // [positions, rotated]
    Norm last;
    Matrix head;
    int32_t half_embedding;
    int32_t norm_sums;           // norms stand behind each sum: x = norm(x + part(x))
    const float* distances;      // [H, 2 · reach + BLOCK]: what is added to the score of key p for query q, at p - q + reach - 1
    int64_t reach;
};

// A low-rank change beside a weight [n, k]: y = stretch · (W x + scale · B A x); no stretch: 1. A bias is not stretched.
struct Low {
    const float *a, *b, *stretch;  // [rank, k], [n, rank], [n]
    int32_t rank;
    float scale;
};
enum { QUERY, KEY, VALUE, OUT, GATE, UP, DOWN, SITES };

struct Batch {
    int32_t tokens, sequences, table_width, outputs;
    const int32_t *ids, *at;      // [tokens]; at: position, and slot in its sequence's blocks
    const int32_t *first;         // [sequences + 1]: where each one's tokens begin
    const int32_t *blocks;        // [sequences, table_width]
    const int32_t *output;        // [outputs]: tokens whose results are wanted
    float *hidden, *logits;       // [outputs, D] after the last norm; [outputs, vocab]; each may be nothing
    const Low* const* adapters;   // [tokens] of tables [layers, SITES]; nothing: no token has one
    int32_t rank, source_width;   // rank: the largest
    const int32_t *sees;          // [tokens]: the last position that each one sees; nothing: its own
    const int32_t *source_blocks, *source_length;  // [sequences, source_width], [sequences]: what each one looks at
};

}

namespace {

enum { RMS, LAYER };
enum { SILU, GELU_TANH, GELU, RELU };

void normalize(const Model& m, const Norm& norm, const float* x, float* y, int size) {
    if (!norm.weight) {
        if (y != x) std::memcpy(y, x, size * sizeof(float));
        return;
    }
    float mean = 0;
    int whole = size / LANES * LANES;
    auto add_up = [&](auto term) {
        F sums{};
        for (int i = 0; i < whole; i += LANES) sums += term(load<F>(x + i));
        float total = sum(sums);
        for (int i = whole; i < size; ++i) total += term(F{} + x[i])[0];
        return total / size;
    };
    if (m.norm_kind == LAYER && norm.bias) mean = add_up([](F v) { return v; });
    float factor = 1 / std::sqrt(add_up([=](F v) { return (v - mean) * (v - mean); }) + m.norm_eps);
    for (int i = 0; i < size; ++i) y[i] = (x[i] - mean) * factor * norm.weight[i] + (norm.bias ? norm.bias[i] : 0.f);
}

float dot(const float* a, const float* b, int size) {
    F sums{};
    int i = 0;
    for (; i + LANES <= size; i += LANES) sums += load<F>(a + i) * load<F>(b + i);
    float total = sum(sums);
    for (; i < size; ++i) total += a[i] * b[i];
    return total;
}

void rotate(const float* cos, const float* sin, int width, float* x) {
    int half = width / 2;
    for (int i = 0; i < half; ++i) {
        float a = x[i], b = x[i + half];
        x[i] = a * cos[i] - b * sin[i];
        x[i + half] = b * cos[i + half] + a * sin[i + half];
    }
}

F activate(int kind, F x) {
    if (kind == SILU) return x / (1.f + exponential(-x));
    if (kind == RELU) return x > 0 ? x : F{};
    if (kind == GELU_TANH) return 0.5f * x * (1.f + hyperbolic_tangent(0.7978845608f * (x + 0.044715f * x * x * x)));
    for (int i = 0; i < LANES; ++i) x[i] *= 0.5f * (1.f + std::erf(x[i] * 0.70710678f));
    return x;
}

void embed(const Model& m, const Batch& b, int t, float* x) {
    int id = b.ids[t];
    if (m.tied_head && m.head.kind == INT8) {
        const uint8_t* panel = m.head.data + id / PANEL * panel_bytes(INT8, m.D) + id % PANEL * 4;
        for (int i = 0; i < m.D; ++i) x[i] = (int8_t)panel[i / 4 * 4 * PANEL + i % 4] * m.head.scale[id];
    } else {
        for (int i = 0; i < m.D; ++i) x[i] = at(m.embedding, m.half_embedding, int64_t(id) * m.D + i);
    }
    if (m.embedding_scale != 1)
        for (int i = 0; i < m.D; ++i) x[i] *= m.embedding_scale;
    if (m.positions)
        for (int i = 0; i < m.D; ++i) x[i] += m.positions[int64_t(b.at[t]) * m.D + i];
}

// Memory for one step; kept from call to call.
struct Work {
    std::vector<float> x, qkv, seen, inner, plain, scale, last, low;
    std::vector<uint8_t> bytes;
    std::vector<int32_t> groups;
    struct Tile { int32_t sequence, head, first, count; };
    std::vector<Tile> tiles, source_tiles;
};

Rows rows_for(Work& work, const Matrix& w) {
    int64_t size = w.kind == F32 ? 4 : w.kind == BF16 ? 2 : 1;
    return {w.kind, w.k, width_of(w.kind, w.k) * size, work.bytes.data(), work.scale.data(), work.groups.data()};
}

// Query rows (token, head of the group) that meet the same keys, as many at a time as a tile of sums holds.
void cut(const Model& m, int sequence, int from, int to, std::vector<Work::Tile>& tiles) {
    int shared = m.H / m.K, tokens = std::max(1, ROWS / shared);
    for (; from < to; from += tokens)
        for (int head = 0; head < m.K; ++head) tiles.push_back({sequence, head, from, std::min(tokens, to - from)});
}
void cut(const Model& m, const Batch& b, Work& work) {
    work.tiles.clear(), work.source_tiles.clear();
    for (int s = 0; s < b.sequences; ++s) cut(m, s, b.first[s], b.first[s + 1], work.tiles);
    for (int s = 0, next; b.source_blocks && s < b.sequences; s = next) {  // neighbours that look at the same source
        auto block = [&](int i) { return b.source_blocks[int64_t(i) * b.source_width]; };
        for (next = s + 1; next < b.sequences && block(next) == block(s);) ++next;
        cut(m, s, b.first[s], b.first[next], work.source_tiles);
    }
}

// What a tile of queries makes of the keys and values that it sees: its sequence's own, or those of its source.
template <class T> void look(const Model& m, const Layer& layer, const Batch& b, Work& work, const Work::Tile& tile, bool across) {
    int shared = m.H / m.K, wide = (m.H + 2 * m.K) * m.E, size = up(m.E, LANES), rows = tile.count * shared;
    Cache cache{m.cache_kind, m.K, size, 0, layer.cache, m.block_bytes};
    alignas(64) float sums[ROWS][512];
    const int32_t* blocks = across ? b.source_blocks + int64_t(tile.sequence) * b.source_width : b.blocks + int64_t(tile.sequence) * b.table_width;
    for (int start = 0; start < rows; start += ROWS) {
        int count = std::min(ROWS, rows - start);
        const float *q[ROWS], *bias[ROWS];
        float* out[ROWS];
        int32_t at[ROWS];
        for (int r = 0; r < count; ++r) {
            int token = tile.first + (start + r) / shared, head = tile.head * shared + (start + r) % shared;
            q[r] = work.qkv.data() + int64_t(token) * wide + head * m.E, out[r] = sums[r];
            at[r] = across ? b.source_length[tile.sequence] - 1 : b.sees ? b.sees[token] : b.at[token];
            if (m.distances) bias[r] = m.distances + head * (2 * m.reach + BLOCK) + m.reach - 1 - b.at[token];
        }
        Seen seen{blocks, at, m.distances && !across ? bias : nullptr, layer.window, m.scale, m.attention_cap};
        attend_of<T>(count, std::make_integer_sequence<int, ROWS>{})(cache, tile.head, seen, q, m.E, out);
        for (int r = 0; r < count; ++r) {
            int token = tile.first + (start + r) / shared, head = tile.head * shared + (start + r) % shared;
            std::memcpy(work.seen.data() + int64_t(token) * m.H * m.E + head * m.E, sums[r], m.E * sizeof(float));
        }
    }
}

template <class... A> void put(int kind, const A&... a) {
    (kind == CACHE_INT8 ? keep<int8_t> : kind == CACHE_BF16 ? keep<uint16_t> : keep<float>)(a...);
}

// Norms, rotations, and keys and values into their slots: one (token, head) at a time.
void place(const Model& m, const Layer& layer, const Batch& b, Work& work, const int32_t* sequence, int job) {
    int heads = m.H + m.K, t = job / heads, head = job % heads, wide = (m.H + 2 * m.K) * m.E;
    float* x = work.qkv.data() + int64_t(t) * wide + head * m.E;
    normalize(m, head < m.H ? layer.query : layer.key, x, x, m.E);
    if (m.rotated) {
        int64_t row = int64_t(b.at[t]) * m.rotated;
        rotate((layer.local ? m.local_cos : m.cos) + row, (layer.local ? m.local_sin : m.sin) + row, m.rotated, x);
    }
    if (head < m.H) return;
    Cache cache{m.cache_kind, m.K, up(m.E, LANES), 0, layer.cache, m.block_bytes};
    int block = b.blocks[int64_t(sequence[t]) * b.table_width + b.at[t] / BLOCK];
    put(m.cache_kind, cache, block, b.at[t] % BLOCK, head - m.H, x, x + m.K * m.E, m.E);
}

void grow(Work& work, const Model& m, int64_t M) {
    int64_t inner = m.gated ? 2 * m.N : m.N, seen = m.H * m.E, most = up(std::max<int64_t>({m.D, seen, m.N}), 64);
    work.x.resize(M * m.D), work.last.resize(M * m.D), work.seen.resize(M * seen), work.inner.resize(M * inner);
    work.qkv.resize(M * std::max<int64_t>((m.H + 2 * m.K) * m.E, m.D));
    work.plain.resize(M * m.D);
    int64_t size = 4 / steps_of(std::min(m.head.kind, m.layer->down.kind));
    work.scale.resize(M), work.bytes.resize(M * most * size), work.groups.resize(M * most / GROUP);
}

struct Pass {
    const Model& m;
    const Batch& b;
    Work& work;
    const int32_t* sequence;
    Meeting& meeting;
    std::atomic<int>& next;  // tile of attention that nobody has taken
    int thread, threads;

    void meet() const { meeting.wait(threads); }

    void product(const Matrix* ws, int count, int rows, float* y, int64_t width, bool add) const {
        multiply(ws, count, rows_for(work, *ws), rows, y, width, add, thread, threads);
    }
    // The same for the tokens of a layer, with what adapters change. x: the rows before they were made ready.
    void adapted(int layer, int site, const Matrix* ws, int count, const float* x, int64_t stride, float* y, int64_t width, bool add) const {
        auto low_of = [&](int t, int i) { return b.adapters && b.adapters[t] ? b.adapters[t] + layer * SITES + site + i : nullptr; };
        auto middle = [&](int t, int i) { return work.low.data() + (int64_t(t) * 3 + i) * b.rank; };
        if (b.adapters)
            each(b.tokens * count, [&](int job) {
                int t = job / count, i = job % count;
                const Low* low = low_of(t, i);
                for (int r = 0; low && r < low->rank; ++r)
                    middle(t, i)[r] = dot(low->a + int64_t(r) * ws[i].k, x + t * stride, ws[i].k) * low->scale;
            });
        product(ws, count, b.tokens, y, width, add);
        if (!b.adapters) return;
        meet();
        each(b.tokens * count, [&](int job) {
            int t = job / count, i = job % count, n = 0;
            for (int j = 0; j < i; ++j) n += ws[j].n;
            const Low* low = low_of(t, i);
            if (!low || !low->rank) return;
            float* out = y + t * width + n;
            for (int o = 0; o < ws[i].n; ++o) {
                float more = dot(low->b + int64_t(o) * low->rank, middle(t, i), low->rank), bias = ws[i].bias ? ws[i].bias[o] : 0.f;
                out[o] = low->stretch ? low->stretch[o] * (out[o] - bias + more) + bias : out[o] + more;
            }
        });
    }
    template <class Each> void each(int count, Each body) const { share(count, thread, threads, body); }
    void norm_rows(const Norm& norm, const Matrix& next) const {
        Rows rows = rows_for(work, next);
        each(b.tokens, [&](int t) {
            float* y = work.plain.data() + int64_t(t) * m.D;
            normalize(m, norm, work.x.data() + int64_t(t) * m.D, y, m.D);
            prepare(rows, t, y);
        });
    }
    // x += w · rows, with a norm between where the family has one.
    void add(int layer, int site, const Matrix& w, const Norm& norm, const float* rows, int64_t stride) const {
        bool apart = norm.weight || b.adapters;
        float* y = apart ? work.qkv.data() : work.x.data();
        adapted(layer, site, &w, 1, rows, stride, y, m.D, !apart);
        if (!apart) return;
        meet();
        each(b.tokens, [&](int t) {
            float *from = y + int64_t(t) * m.D, *to = work.x.data() + int64_t(t) * m.D;
            if (!m.norm_sums) normalize(m, norm, from, from, m.D);
            for (int i = 0; i < m.D; ++i) to[i] += from[i];
            if (m.norm_sums) normalize(m, norm, to, to, m.D);
        });
    }
    // x += out · attention, once queries, keys and values are there.
    void attend(int number, const Matrix& out, const Norm& norm, bool across) const {
        const Layer& l = m.layer[number];
        const auto& tiles = across ? work.source_tiles : work.tiles;
        if (thread == 0) next = 0;
        meet();
        auto see = m.cache_kind == CACHE_INT8 ? look<int8_t> : m.cache_kind == CACHE_BF16 ? look<uint16_t> : look<float>;
        for (int i; (i = next++) < (int)tiles.size();) see(m, l, b, work, tiles[i], across);
        meet();
        Rows rows = rows_for(work, out);
        each(b.tokens, [&](int t) { prepare(rows, t, work.seen.data() + int64_t(t) * m.H * m.E); });
        meet();
        add(number, OUT, out, norm, work.seen.data(), m.H * m.E);
        meet();
    }
    // Keys and values of sources, [tokens, D] as their encoder made them, into the blocks that every layer looks at.
    void remember(const float* memory) const {
        Rows rows = rows_for(work, m.layer->cross[0]);
        each(b.tokens, [&](int t) { prepare(rows, t, memory + int64_t(t) * m.D); });
        meet();
        int half = m.K * m.E;
        for (int i = 0; i < m.layers; ++i) {
            const Layer& l = m.layer[i];
            product(l.cross, 2, b.tokens, work.qkv.data(), 2 * half, false);
            meet();
            Cache cache{m.cache_kind, m.K, up(m.E, LANES), 0, l.cache, m.block_bytes};
            each(b.tokens * m.K, [&](int job) {
                int t = job / m.K, head = job % m.K;
                const float* keys = work.qkv.data() + int64_t(t) * 2 * half + head * m.E;
                int block = b.blocks[int64_t(sequence[t]) * b.table_width + b.at[t] / BLOCK];
                put(m.cache_kind, cache, block, b.at[t] % BLOCK, head, keys, keys + half, m.E);
            });
            meet();
        }
    }
    void layer(int number) const {
        const Layer& l = m.layer[number];
        int wide = (m.H + 2 * m.K) * m.E, inner = m.gated ? 2 * m.N : m.N;
        norm_rows(l.before, l.qkv[0]);
        meet();
        adapted(number, QUERY, l.qkv, 3, work.plain.data(), m.D, work.qkv.data(), wide, false);
        meet();
        each(b.tokens * (m.H + m.K), [&](int job) { place(m, l, b, work, sequence, job); });
        attend(number, l.out, l.after_attention, false);
        if (l.cross_query.data) {
            norm_rows(l.before_cross, l.cross_query);
            meet();
            product(&l.cross_query, 1, b.tokens, work.qkv.data(), wide, false);
            attend(number, l.cross_out, l.after_cross, true);
        }
        norm_rows(l.before_feed, l.gate_up[0]);
        meet();
        adapted(number, m.gated ? GATE : UP, l.gate_up, m.gated ? 2 : 1, work.plain.data(), m.D, work.inner.data(), inner, false);
        meet();
        Rows rows = rows_for(work, l.down);
        each(b.tokens, [&](int t) {
            float *gate = work.inner.data() + int64_t(t) * inner, *up_ = m.gated ? gate + m.N : nullptr;
            int i = 0;
            for (; i + LANES <= m.N; i += LANES) {
                F v = activate(m.activation, load<F>(gate + i));
                store(gate + i, up_ ? v * load<F>(up_ + i) : v);
            }
            for (; i < m.N; ++i) gate[i] = activate(m.activation, F{} + gate[i])[0] * (up_ ? up_[i] : 1.f);
            prepare(rows, t, gate);
        });
        meet();
        add(number, DOWN, l.down, l.after_feed, work.inner.data(), inner);
        meet();
    }
    void finish() const {
        each(b.outputs, [&](int i) {
            float* out = work.last.data() + int64_t(i) * m.D;
            normalize(m, m.last, work.x.data() + int64_t(b.output[i]) * m.D, out, m.D);
            if (b.hidden) std::memcpy(b.hidden + int64_t(i) * m.D, out, m.D * sizeof(float));
        });
        meet();
        if (b.logits) head(work.last.data(), b.outputs, b.logits);
    }
    // Scores of the vocabulary from states after the last norm.
    void head(const float* states, int count, float* logits) const {
        Rows rows = rows_for(work, m.head);
        each(count, [&](int i) { prepare(rows, i, states + int64_t(i) * m.D); });
        meet();
        product(&m.head, 1, count, logits, m.vocab, false);
        if (m.logit_cap == 0) return;
        meet();
        each(count, [&](int i) {
            for (float *y = logits + int64_t(i) * m.vocab, *end = y + m.vocab; y < end; ++y) *y = std::tanh(*y / m.logit_cap) * m.logit_cap;
        });
    }
};
}  // namespace

extern "C" {

Work* sibao_work() { return new Work; }
void sibao_free(Work* work) { delete work; }

}

// `work` runs on all threads, each with its pass over the batch.
template <class Each> void together(const Model& m, const Batch& b, Work& work, int threads, Each body) {
    grow(work, m, std::max(b.tokens, b.outputs));
    if (b.adapters) work.low.resize(int64_t(b.tokens) * 3 * b.rank);
    std::vector<int32_t> sequence(b.tokens);
    for (int s = 0; s < b.sequences; ++s)
        for (int t = b.first[s]; t < b.first[s + 1]; ++t) sequence[t] = s;
    Meeting meeting;
    std::atomic<int> next{0};
    pool().run(threads, [&](int thread, int of) { body(Pass{m, b, work, sequence.data(), meeting, next, thread, of}); });
}

extern "C" {

void sibao_forward(const Model* m, const Batch* b, Work* work, int threads) {
    cut(*m, *b, *work);
    together(*m, *b, *work, threads, [&](const Pass& pass) {
        pass.each(b->tokens, [&](int t) { embed(*m, *b, t, work->x.data() + int64_t(t) * m->D); });
        pass.meet();
        for (int i = 0; i < m->layers; ++i) pass.layer(i);
        pass.finish();
    });
}

// Keys and values of sources from `memory` [tokens, D]; of the batch: where each token belongs.
void sibao_remember(const Model* m, const Batch* b, const float* memory, Work* work, int threads) {
    together(*m, *b, *work, threads, [&](const Pass& pass) { pass.remember(memory); });
}

// logits [rows, vocab] from states [rows, D] after the last norm.
void sibao_head(const Model* m, const float* states, int rows, float* logits, Work* work, int threads) {
    Batch none{};
    none.outputs = rows;
    together(*m, none, *work, threads, [&](const Pass& pass) { pass.head(states, rows, logits); });
}

// The `count` largest scores of each row, best first, with their places (of equals the first), and ln Σ e^score; a row that
// holds what is no number has none of that for a sum. Each row's result comes from that row alone.
void sibao_likeliest(const float* scores, int rows, int64_t width, int count, float* values, int64_t* places, float* totals, int threads) {
    split(rows, threads, [&](int r) {
        rank(scores + r * width, width, count, values + int64_t(r) * count, places + int64_t(r) * count, totals + r);
    });
}

// Pack rows of a weight [n, k] of floats (or bfloat16). `scale` and `offset` have room for whole panels.
void sibao_pack(int kind, const void* w, int half, int n, int k, uint8_t* out, float* scale, int32_t* offset, int threads) {
    int64_t bytes = panel_bytes(kind, k);
    split(up(n, PANEL) / PANEL, threads, [&](int p) { pack_panel(kind, w, half, n, k, p, out + p * bytes, scale, offset); });
}

int64_t sibao_panel_bytes(int kind, int k) { return panel_bytes(kind, k); }

// y [rows, n] = x [rows, k] Wᵀ + bias, for tests and for layers outside a decoder.
void sibao_multiply(const Matrix* w, const float* x, int rows, float* y, int threads) {
    Work work;
    int64_t most = up(w->k, 64);
    work.bytes.resize(rows * most * 4), work.scale.resize(rows), work.groups.resize(rows * most / GROUP);
    Rows ready = rows_for(work, *w);
    split(rows, threads, [&](int r) { prepare(ready, r, x + int64_t(r) * w->k); });
    pool().run(threads, [&](int thread, int of) { multiply(w, 1, ready, rows, y, w->n, false, thread, of); });
}
}
