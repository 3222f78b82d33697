// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IRegistry} from "../src/IRegistry.sol";
import {Net} from "./Net.sol";

/// @title Which parameters a registry can be made with
contract ParametersTest is Net {
    // Places of the parameters in their struct.
    uint256 private constant EPOCH = 2;
    uint256 private constant FREEZE = 3;
    uint256 private constant RETENTION = 7;
    uint256 private constant VALIDITY = 8;
    uint256 private constant STRAY = 9;

    uint64 private constant LARGEST = (type(uint64).max >> 1) / 4;
    uint64 private constant WIDE = type(uint32).max;

    /// @dev The parameters of the tests with one field changed.
    function _with(uint256 field, uint64 value) private pure returns (Parameters memory p) {
        p = _parameters();
        assembly { mstore(add(p, mul(field, 32)), value) }
    }

    function _taken(Parameters memory p) private {
        (address made,) = _create(p);
        require(made != address(0), "refused");
        Parameters memory found = IRegistry(made).parameters();
        (p.genesis, p.start) = (uint64(block.number), uint64(block.timestamp));
        require(keccak256(abi.encode(found)) == keccak256(abi.encode(p)), "other parameters");
    }

    function _refused(Parameters memory p, bytes32 what) private {
        (address made, bytes memory why) = _create(p);
        require(made == address(0), "taken");
        bytes memory expected = abi.encodeWithSelector(Invalid.selector, what);
        require(keccak256(why) == keccak256(expected), "refused for another reason");
    }

    /// @dev Neither less than `least` nor more than `most`; those two are taken.
    function _bounds(uint256 field, uint64 least, uint64 most, bytes32 what) private {
        if (least > 0) _refused(_with(field, least - 1), what);
        _refused(_with(field, most + 1), what);
        _taken(_with(field, least));
        _taken(_with(field, most));
    }

    function test_bounds() external {
        _bounds(4, 1, 1024, "leavesPerEpoch");
        _bounds(5, 1, 1 << 20, "leafSize");
        _bounds(6, 1, LARGEST, "healthWindow");
        _bounds(10, 1, LARGEST, "unreachable");
        _bounds(11, 1, WIDE, "notice");
        _bounds(12, 1, 255, "maxSlots");
        _bounds(13, 1, LARGEST, "maxFilesPerCall");
        _bounds(14, 1, LARGEST, "maxLabel");
        _bounds(15, 1, LARGEST, "maxText");
        _bounds(16, 1, WIDE, "maxLifetime");
    }

    function test_freezeIsShorterThanAnEpoch() external {
        _bounds(FREEZE, 0, 39, "freeze");
    }

    function test_retentionIsTwoEpochsAndTheValidityOfReceipts() external {
        _bounds(RETENTION, 2 * 12 * 40, WIDE, "retention");
        Parameters memory p = _with(VALIDITY, 1200);
        p.strayGrace = 1201;
        _taken(p);
        p.receiptValidity = 1201;
        p.strayGrace = 1202;
        _refused(p, "retention");
    }

    function test_receiptValidity() external {
        _refused(_with(VALIDITY, 0), "receiptValidity");
        _taken(_with(VALIDITY, 1));
        _refused(_with(VALIDITY, LARGEST + 1), "receiptValidity");
    }

    function test_strayGraceIsLongerThanTheValidityOfReceipts() external {
        _bounds(STRAY, 301, LARGEST, "strayGrace");
    }

    function test_epochsFitTheHeadersThatAreKept() external {
        Parameters memory p = _with(FREEZE, 1);
        p.retention = WIDE;
        p.epoch = 1;
        _refused(p, "epoch");
        p.epoch = 2;
        _taken(p);
        p.epoch = 16382;
        _taken(p);
        p.epoch = 16383;
        _refused(p, "epoch");
    }
}
