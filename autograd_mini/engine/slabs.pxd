# The memory of nodes, in C, read by Cython alone: see `keep_in_slabs`.

cdef extern from *:
    """
    #ifndef Py_GIL_DISABLED
    #define OF_EACH_THREAD
    #elif defined(_MSC_VER)
    #define OF_EACH_THREAD __declspec(thread)
    #else
    #define OF_EACH_THREAD __thread
    #endif

    /* How many nodes are being freed, each by the one before it; and a list of those that wait, if there are any,
       because there are too many for that. */
    static OF_EACH_THREAD struct {int depth; PyObject *waiting;} freeing;

    /* Let an operand wait to be freed; where there is no memory for that, it is freed at once, and nothing is raised. */
    static void keep_waiting(PyObject *operand) {
        int is_raising = PyErr_Occurred() != NULL;
        if (!freeing.waiting) freeing.waiting = PyList_New(0);
        if ((!freeing.waiting || PyList_Append(freeing.waiting, operand)) && !is_raising) PyErr_Clear();
    }

    /* Give back the references that a node which is freed had to its operands. */
    static void release(PyObject *left, PyObject *right) {
        if (freeing.depth >= 100) keep_waiting(left), keep_waiting(right);
        freeing.depth++;
        Py_DECREF(right);  /* the youngest first: memory freed backwards is reused forwards, which caches like */
        Py_DECREF(left);
        if (freeing.depth == 1 && freeing.waiting) {
            for (Py_ssize_t n; (n = PyList_GET_SIZE(freeing.waiting));)
                PyList_SetSlice(freeing.waiting, n - 1, n, NULL);  /* others may come to wait meanwhile */
            Py_CLEAR(freeing.waiting);
        }
        freeing.depth--;
    }

    /* A new node is a copy of a blank one, with other objects where that has None: its origin, and its operands. */
    static struct {PyObject *node; size_t origin, left, right;} blank;
    #define FIELD(node, place) ((PyObject **)(node))[blank.place]

    static void find_fields(PyObject *node) {
        size_t i = 0, *next[] = {&blank.origin, &blank.left, &blank.right};
        blank.node = Py_NewRef(node);
        for (size_t place = 0; i < 3; place++)
            if (((PyObject **)node)[place] == Py_None) *next[i++] = place;
    }

    static void release_operands(PyObject *node) {
        PyObject *left = FIELD(node, left), *right = FIELD(node, right);
        FIELD(node, left) = Py_NewRef(Py_None);
        FIELD(node, right) = Py_NewRef(Py_None);
        release(left, right);
    }

    #ifndef Py_GIL_DISABLED
    #include <stdint.h>
    #include <string.h>

    /* A slab has room for nodes of one size. A graph that is built lies in it node by node, in the order in which
       backward() will come back, and so is read much faster than one in the holes that other nodes have left. Slabs
       that are empty again are kept for the next graph, up to a number: memory that the system takes back, it gives
       anew page by page. A slab begins at a multiple of its size, in a room that has a place for that wherever it lies;
       twice the size would do, but then slabs would lie at distances by which they share lines of the cache. */
    enum {SLAB_BYTES = 1 << 16, ROOM_BYTES = SLAB_BYTES * 5 / 2, HEAD_BYTES = 2048, MOST_PLACES = 1000, EMPTY_SLABS = 128};

    typedef struct Slab {
        struct Slab *next, *previous;  /* among the slabs that have a free place */
        void *room;
        int used, fresh, holes;        /* places in use, places that were ever in use, and holes among these */
        uint16_t hole[MOST_PLACES];
    } Slab;
    _Static_assert(sizeof(Slab) <= HEAD_BYTES, "the first node comes after the head");

    static struct {Slab *first; int empty; size_t node; int places; PyObjectArenaAllocator rooms;} slabs;

    static void list_slab(Slab *slab) {
        slab->next = slabs.first;
        slab->previous = NULL;
        slab->holes = 0;
        if (slabs.first) slabs.first->previous = slab;
        slabs.first = slab;
    }

    static void unlist_slab(Slab *slab) {
        if (slab->next) slab->next->previous = slab->previous;
        if (slab->previous) slab->previous->next = slab->next;
        else slabs.first = slab->next;
    }

    static int make_slab(void) {
        void *room = slabs.rooms.alloc(slabs.rooms.ctx, ROOM_BYTES);
        if (!room) return 0;
        Slab *slab = (Slab *)(((size_t)room + SLAB_BYTES - 1) & ~(size_t)(SLAB_BYTES - 1));
        slab->room = room;
        slab->used = slab->fresh = 0;
        list_slab(slab);
        slabs.empty++;
        return 1;
    }

    static void *take_place(void) {
        if (!slabs.first && !make_slab()) return PyErr_NoMemory();
        Slab *slab = slabs.first;
        int place = slab->holes ? slab->hole[--slab->holes] : slab->fresh++;
        if (!slab->used++) slabs.empty--;
        if (slab->used == slabs.places) unlist_slab(slab);
        void *node = (char *)slab + HEAD_BYTES + place * slabs.node;
        PyTraceMalloc_Track(0, (uintptr_t)node, slabs.node);  /* as any memory of Python's; nothing unless it traces */
        return node;
    }

    static PyObject *allocate_node(PyTypeObject *type, Py_ssize_t Py_UNUSED(items)) {
        void *node = take_place();
        return node ? PyObject_Init(memset(node, 0, slabs.node), type) : NULL;
    }

    static PyObject *new_node(PyObject *origin, PyObject *left, PyObject *right) {
        PyObject *node = take_place();
        if (!node) return NULL;
        memcpy(node, blank.node, slabs.node == 80 ? 80 : slabs.node);  /* a size that C knows is copied without a call */
        Py_SET_REFCNT(node, 1);
        FIELD(node, origin) = Py_NewRef(origin);
        FIELD(node, left) = Py_NewRef(left);
        FIELD(node, right) = Py_NewRef(right);
        return node;
    }

    static void free_node(void *node) {
        PyTraceMalloc_Untrack(0, (uintptr_t)node);
        Slab *slab = (Slab *)((size_t)node & ~(size_t)(SLAB_BYTES - 1));
        if (slab->used == slabs.places) list_slab(slab);
        slab->hole[slab->holes++] = ((char *)node - (char *)slab - HEAD_BYTES) / slabs.node;
        if (--slab->used) return;
        slab->fresh = slab->holes = 0;
        if (++slabs.empty > EMPTY_SLABS) {
            slabs.empty--;
            unlist_slab(slab);
            slabs.rooms.free(slabs.rooms.ctx, slab->room, ROOM_BYTES);
        }
    }

    static void delete_node(PyObject *node) {
        PyObject *left = FIELD(node, left), *right = FIELD(node, right);
        if (left != Py_None || right != Py_None) {
            release(left, right);
        } else {
            Py_DECREF(left);
            Py_DECREF(right);
        }
        Py_DECREF(FIELD(node, origin));
        free_node(node);
    }

    /* Let the nodes of a class be kept in slabs, given that class and a blank node of it. */
    static void keep_in_slabs(PyObject *nodes, PyObject *node) {
        PyTypeObject *type = (PyTypeObject *)nodes;
        slabs.node = type->tp_basicsize;
        slabs.places = (SLAB_BYTES - HEAD_BYTES) / slabs.node;
        if (slabs.places > MOST_PLACES) slabs.places = MOST_PLACES;
        PyObject_GetArenaAllocator(&slabs.rooms);
        find_fields(node);
        type->tp_alloc = allocate_node;
        type->tp_dealloc = delete_node;
    }
    #else
    /* Without the GIL the allocator of Python itself does so. */
    static PyObject *new_node(PyObject *origin, PyObject *left, PyObject *right) {return Py_NewRef(Py_None);}
    static void keep_in_slabs(PyObject *nodes, PyObject *node) {find_fields(node);}
    #endif
    """
    object new_node(object origin, object left, object right)
    void keep_in_slabs(object nodes, object node)
    void release_operands(object node)
