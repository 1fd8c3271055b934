// Threads that compute together. They are kept from call to call and shared by whoever calls: OpenMP keeps a team for every
// thread that opens a region, counts all of them as busy, and lets none wait awake once there are more than cores.
//
// Who waits stays awake for a while, since what it waits for mostly takes microseconds and a core that fell asleep comes back
// late, later still on a shared machine. Meanwhile it offers its core to others again and again: the thread that is waited
// for may need just that one.
#pragma once
#include <pthread.h>
#include <sched.h>
#include <algorithm>
#include <atomic>
#include <mutex>
#include <system_error>
#include <thread>
#include "vectors.h"

// Turns of about four microseconds that one who waits stays awake: for others of the same call; for the next call.
constexpr int WITHIN = 10000, BETWEEN = 200;

// Waits until `value` is no longer `old`.
static inline void await_change(const std::atomic<int>& value, int old, int turns) {
    constexpr int SPINS = 64;  // between two offers of the core
    for (int turn = 0; turn < turns; ++turn) {
        for (int spin = 0; spin < SPINS; ++spin, relax())
            if (value.load(std::memory_order_acquire) != old) return;
        sched_yield();
    }
    value.wait(old, std::memory_order_acquire);
}

// Where the threads of one call meet.
class Meeting {
    std::atomic<int> here{0}, round{0};

  public:
    void wait(int threads) {
        int now = round.load(std::memory_order_relaxed);
        if (here.fetch_add(1, std::memory_order_acq_rel) == threads - 1) {
            here.store(0, std::memory_order_relaxed);
            round.store(now + 1, std::memory_order_release);
            round.notify_all();
        } else {
            await_change(round, now, WITHIN);
        }
    }
};

class Pool {
    static constexpr int MOST = 1024;
    enum { IDLE, CALLED };
    std::mutex turn;  // one call at a time has the threads
    int kept = 0, threads = 0;  // threads of this pool; threads of this call, the caller among them
    void (*job)(void*, int, int) = nullptr;
    void* body = nullptr;
    alignas(64) std::atomic<int> left{0};
    struct alignas(64) Bell {
        std::atomic<int> rung{IDLE};
    } bells[MOST];

    void work(int number) {
        for (auto& bell = bells[number].rung;;) {
            await_change(bell, IDLE, BETWEEN);
            job(body, number + 1, threads);
            bell.store(IDLE, std::memory_order_relaxed);
            if (left.fetch_sub(1, std::memory_order_acq_rel) == 1) left.notify_one();
        }
    }

  public:
    // each(thread, threads) on `wanted` threads (fewer where the system gives no more), the caller's own among them; returns
    // when all are done.
    template <class Each> void run(int wanted, Each each) {
        std::lock_guard hold(turn);
        try {
            for (; kept < std::min(wanted, MOST) - 1; ++kept) std::thread(&Pool::work, this, kept).detach();
        } catch (const std::system_error&) {
        }
        threads = std::max(1, std::min(wanted, kept + 1));
        job = [](void* body, int thread, int threads) { (*static_cast<Each*>(body))(thread, threads); };
        body = &each;
        left.store(threads - 1, std::memory_order_relaxed);
        for (int i = 0; i < threads - 1; ++i) {
            bells[i].rung.store(CALLED, std::memory_order_release);
            bells[i].rung.notify_one();
        }
        each(0, threads);
        for (int still; (still = left.load(std::memory_order_acquire));) await_change(left, still, WITHIN);
    }
};

// The process's own. It is never taken down: its threads sleep until the process ends. A forked child has none of them and
// begins anew.
static inline Pool& pool() {
    static Pool* mine = (pthread_atfork(nullptr, nullptr, [] { mine = new Pool; }), new Pool);
    return *mine;
}

// One thread's share of `count` jobs; all of them, by a few threads.
template <class Each> static inline void share(int count, int thread, int threads, Each each) {
    for (int i = count * int64_t(thread) / threads; i < count * int64_t(thread + 1) / threads; ++i) each(i);
}
template <class Each> static inline void split(int count, int threads, Each each) {
    pool().run(std::min(threads, count), [&](int thread, int of) { share(count, thread, of, each); });
}
