# C types of formula.py, read by Cython alone, and the C that runs a formula.

cimport cython

from autograd_mini.engine.fan cimport Fan
from autograd_mini.engine.node cimport Node
from autograd_mini.engine.operation cimport Operation

cdef extern from *:
    """
    #include <math.h>
    #include <string.h>

    enum {ROOM = 1536};  /* for the numbers of a formula */

    /* The steps that run_program does itself. */
    #define EACH_OPERATOR(OF) \\
        OF(add) OF(sub) OF(mul) OF(div) OF(neg) OF(less) OF(less_equal) OF(greater) OF(greater_equal) OF(equal) \\
        OF(not_equal) OF(where) OF(muladd) OF(if) OF(unless)
    #define CODE(name) code_##name,
    #define NAME(name) #name,
    enum {EACH_OPERATOR(CODE) OPERATORS, UNARY = OPERATORS, BINARY, CALL};
    static const char *const operators[] = {EACH_OPERATOR(NAME)};

    /* What Python's math module takes from C as it is, so that the bits are the same. */
    static const struct {const char *name; double (*function)(double);} unary[] = {
        {"acos", acos}, {"acosh", acosh}, {"asin", asin}, {"asinh", asinh}, {"atan", atan}, {"atanh", atanh},
        {"cbrt", cbrt}, {"ceil", ceil}, {"cos", cos}, {"cosh", cosh}, {"erf", erf}, {"erfc", erfc}, {"exp", exp},
        {"exp2", exp2}, {"expm1", expm1}, {"fabs", fabs}, {"floor", floor}, {"log", log}, {"log10", log10},
        {"log1p", log1p}, {"log2", log2}, {"rint", rint}, {"sin", sin}, {"sinh", sinh}, {"sqrt", sqrt}, {"tan", tan},
        {"tanh", tanh}, {"trunc", trunc}};
    static const struct {const char *name; double (*function)(double, double);} binary[] = {
        {"atan2", atan2}, {"copysign", copysign}, {"fmod", fmod}, {"pow", pow}, {"remainder", remainder}};

    typedef struct {
        unsigned short code, x, y, z;  /* what is done, with the numbers of which places; y steps are skipped if x, or unless x */
        union {double (*unary)(double); double (*binary)(double, double); PyObject *function;} by;
    } Step;

    /* The first places are those of a row's operands; then come its steps' results, then constants. */
    typedef struct {int first, steps, constants, results; double *constant; int *result; Step step[];} Program;

    static Program *new_program(int first, int steps, int constants, int results) {
        size_t size = sizeof(Program) + steps * sizeof(Step);
        Program *program = PyMem_Malloc(size + constants * sizeof(double) + results * sizeof(int));
        if (program) {
            double *constant = (double *)((char *)program + size);
            *program = (Program){first, steps, constants, results, constant, (int *)(constant + constants)};
        }
        return program;
    }

    static void put_result(Program *program, int i, int place) {
        program->result[i] = place;
    }

    static void put_constant(Program *program, int i, double number) {
        program->constant[i] = number;
    }

    /* 0 if there is no function of that name. */
    static int put_function(Program *program, int i, const char *name, int x, int y, int z) {
        Step *step = program->step + i;
        *step = (Step){CALL, x, y, z};
        for (int k = 0; k < OPERATORS; k++)
            if (!strcmp(operators[k], name)) step->code = k;
        for (size_t k = 0; k < sizeof unary / sizeof *unary; k++)
            if (!strcmp(unary[k].name, name)) step->code = UNARY, step->by.unary = unary[k].function;
        for (size_t k = 0; k < sizeof binary / sizeof *binary; k++)
            if (!strcmp(binary[k].name, name)) step->code = BINARY, step->by.binary = binary[k].function;
        return step->code < CALL;
    }

    static void put_call(Program *program, int i, PyObject *function, int count, int x, int y, int z) {
        program->step[i] = (Step){CALL + count, x, y, z, {.function = function}};
    }

    static double call_function(PyObject *function, int count, const double *numbers) {
        PyObject *operands[ROOM], *result = NULL;
        int made = 0;
        while (made < count && (operands[made] = PyFloat_FromDouble(numbers[made]))) made++;
        if (made == count) result = PyObject_Vectorcall(function, operands, count, NULL);
        double number = result ? PyFloat_AsDouble(result) : -1.0;
        Py_XDECREF(result);
        while (made) Py_DECREF(operands[--made]);
        return number;
    }

    static int run_program(const Program *program, double *place) {
        double *next = place + program->first;
        const Step *step = program->step, *end = step + program->steps;
        if (program->constants) memcpy(next + program->steps, program->constant, program->constants * sizeof(double));
        for (; step < end; step++, next++) {
            double x = place[step->x];
            #define Y place[step->y]
            #define Z place[step->z]
            switch (step->code) {
                case code_add: *next = x + Y; break;
                case code_sub: *next = x - Y; break;
                case code_mul: *next = x * Y; break;
                case code_div: *next = x / Y; break;
                case code_neg: *next = -x; break;
                case code_less: *next = x < Y; break;
                case code_less_equal: *next = x <= Y; break;
                case code_greater: *next = x > Y; break;
                case code_greater_equal: *next = x >= Y; break;
                case code_equal: *next = x == Y; break;
                case code_not_equal: *next = x != Y; break;
                case code_where: *next = place[x != 0.0 ? step->y : step->z]; break;
                case code_muladd: *next = x * Y + Z; break;  /* with two roundings, as setup.py has it compiled */
                case code_if: if (x != 0.0) next += step->y, step += step->y; break;
                case code_unless: if (!(x != 0.0)) next += step->y, step += step->y; break;
                case UNARY: *next = step->by.unary(x); break;
                case BINARY: *next = step->by.binary(x, Y); break;
                default: {
                    int count = step->code - CALL;
                    double few[] = {x, Y, Z};
                    *next = call_function(step->by.function, count, count > 3 ? place : few);
                    if (*next == -1.0 && PyErr_Occurred()) return -1;
                }
            }
        }
        return 0;
    }

    /* Find the result, and the derivatives that are wanted; the others are 0. */
    static int run_on_few(
            const Program *program, double x, double y, double z, int by_x, int by_y, int by_z, double *found) {
        double place[ROOM];
        const int *result = program->result;
        place[0] = x, place[1] = y, place[2] = z, place[3] = by_x, place[4] = by_y, place[5] = by_z;
        if (run_program(program, place)) return -1;
        found[0] = place[result[0]];
        found[1] = by_x ? place[result[1]] : 0.0;
        found[2] = by_y && program->results > 2 ? place[result[2]] : 0.0;
        found[3] = by_z && program->results > 3 ? place[result[3]] : 0.0;
        return 0;
    }

    static double run_on_many(const Program *program, double *place, double *derivatives) {
        if (run_program(program, place)) return -1.0;
        for (int i = 1; i < program->results; i++) derivatives[i - 1] = place[program->result[i]];
        return place[program->result[0]];
    }
    """
    ctypedef struct Program:
        pass
    enum: ROOM, OPERATORS
    const char** operators
    Program* new_program(int first, int steps, int constants, int results)
    void put_result(Program* program, int i, int place)
    void put_constant(Program* program, int i, double number)
    bint put_function(Program* program, int i, const char* name, int x, int y, int z)
    void put_call(Program* program, int i, object function, int count, int x, int y, int z)
    int run_on_few(
        const Program* program, double x, double y, double z, bint by_x, bint by_y, bint by_z, double* found) except -1
    double run_on_many(const Program* program, double* place, double* derivatives) except? -1.0


ctypedef struct Places:
    double[ROOM] at


cdef class Formula:
    cdef list _functions
    cdef Program* _program

    cdef int compute(self, double x, double y, double z, bint by_x, bint by_y, bint by_z, double* found) except -1
    @cython.locals(places=Places, operands=tuple, operand=Node, i=Py_ssize_t)
    cdef double compute_fan(self, Fan fan) except? -1.0


@cython.locals(found=double[4])
cpdef bint holds(Operation comparison, double x, double y) except? True
cpdef object formula_of(Operation operation, Py_ssize_t operands)
