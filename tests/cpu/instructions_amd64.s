#include "textflag.h"

#define REP BYTE $0xf3
#define PREFIX_FS BYTE $0x64
#define PREFIX_LOW BYTE $0x67
#define PREFIX_16 BYTE $0x66
#define PREFIX_64 BYTE $0x48
#define MOVS_8 BYTE $0xa4
#define MOVS BYTE $0xa5
#define STOS_8 BYTE $0xaa
#define STOS BYTE $0xab

// func movs(to, from, n uintptr, width, back, form int) (di, si, cx uintptr)
TEXT ·movs(SB), NOSPLIT, $0-72
	MOVQ to+0(FP), DI
	MOVQ from+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ width+24(FP), AX
	MOVQ form+40(FP), DX
	CMPQ back+32(FP), $0
	JEQ  forwards
	STD
forwards:
	CMPQ DX, $1
	JEQ  low
	CMPQ DX, $2
	JEQ  fs
	CMPQ AX, $1
	JEQ  plain1
	CMPQ AX, $2
	JEQ  plain2
	CMPQ AX, $4
	JEQ  plain4
	REP; PREFIX_64; MOVS
	JMP  done
plain1:
	REP; MOVS_8
	JMP  done
plain2:
	PREFIX_16; REP; MOVS
	JMP  done
plain4:
	REP; MOVS
	JMP  done
low:
	CMPQ AX, $1
	JEQ  low1
	CMPQ AX, $2
	JEQ  low2
	CMPQ AX, $4
	JEQ  low4
	PREFIX_LOW; REP; PREFIX_64; MOVS
	JMP  done
low1:
	PREFIX_LOW; REP; MOVS_8
	JMP  done
low2:
	PREFIX_LOW; PREFIX_16; REP; MOVS
	JMP  done
low4:
	PREFIX_LOW; REP; MOVS
	JMP  done
fs:
	CMPQ AX, $1
	JEQ  fs1
	CMPQ AX, $2
	JEQ  fs2
	CMPQ AX, $4
	JEQ  fs4
	PREFIX_FS; REP; PREFIX_64; MOVS
	JMP  done
fs1:
	PREFIX_FS; REP; MOVS_8
	JMP  done
fs2:
	PREFIX_FS; PREFIX_16; REP; MOVS
	JMP  done
fs4:
	PREFIX_FS; REP; MOVS
done:
	CLD
	MOVQ DI, di+48(FP)
	MOVQ SI, si+56(FP)
	MOVQ CX, cx+64(FP)
	RET

// func stos(to uintptr, value uint64, n uintptr, width, back int) (di, cx uintptr)
TEXT ·stos(SB), NOSPLIT, $0-56
	MOVQ to+0(FP), DI
	MOVQ value+8(FP), AX
	MOVQ n+16(FP), CX
	MOVQ width+24(FP), DX
	CMPQ back+32(FP), $0
	JEQ  forwards
	STD
forwards:
	CMPQ DX, $1
	JEQ  stos1
	CMPQ DX, $2
	JEQ  stos2
	CMPQ DX, $4
	JEQ  stos4
	REP; PREFIX_64; STOS
	JMP  done
stos1:
	REP; STOS_8
	JMP  done
stos2:
	PREFIX_16; REP; STOS
	JMP  done
stos4:
	REP; STOS
done:
	CLD
	MOVQ DI, di+40(FP)
	MOVQ CX, cx+48(FP)
	RET

// func call(code uintptr) uint32
TEXT ·call(SB), NOSPLIT, $8-12
	MOVQ code+0(FP), AX
	CALL AX
	MOVL AX, ret+8(FP)
	RET
