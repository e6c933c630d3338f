// SPDX-License-Identifier: Apache-2.0
#include "tests/stage1_conformance/launcher.h"
