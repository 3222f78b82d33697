// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {vm} from "./Net.sol";
import {Scene} from "./Scene.sol";

/// @title Calls with several files, full address spaces, and the end of retention
contract PublishingTest is Scene {
    function setUp() public override {
        super.setUp();
        _register(vm.addr(KEY));
    }

    function _batch(uint256 count) private view returns (NewFile[] memory all) {
        all = new NewFile[](count);
        for (uint256 i = 0; i < count; ++i) {
            all[i] = _signedFile(uint128(i + 1));
        }
    }

    function _call(NewFile[] memory all) private view returns (bytes memory) {
        return abi.encodeCall(registry.publish, (all));
    }

    /// @dev Nothing of a refused call stays.
    function _leavesNothing(NewFile[] memory all, bytes memory why) private {
        _refused(OWNER, _call(all), why);
        (uint64 segments, uint64 leaves,, uint64 held,) = registry.space(NODE);
        require(segments == 0 && leaves == 0 && held == 0, "segments");
        for (uint256 i = 0; i < all.length; ++i) {
            (address owner,,,) = registry.fileOf(_idOf(all[i]));
            require(owner == address(0), "file");
            require(registry.named(OWNER, SPACE, all[i].name) == 0, "name");
        }
    }

    // ------------------------------------------------------------------ batches

    function test_filesOfACallAreEnteredInTheirOrder() external {
        NewFile[] memory all = _batch(3);
        _done(OWNER, _call(all));
        for (uint256 i = 0; i < 3; ++i) {
            (address owner,,, bytes32 commitment) = registry.fileOf(_idOf(all[i]));
            Record memory record = _recordOf(all[i], (i << 48) | i);
            require(owner == OWNER && commitment == keccak256(abi.encode(record)), "record");
        }
    }

    function test_noFilesOrTooMany() external {
        _leavesNothing(_batch(0), abi.encodeWithSelector(Invalid.selector, bytes32("files")));
        _leavesNothing(_batch(4), abi.encodeWithSelector(TooLarge.selector, 4, 3));
    }

    function test_oneWrongFileRefusesAll() external {
        NewFile[] memory all = _batch(3);
        all[2].holders[0].r ^= bytes32(uint256(1));
        bytes memory why = abi.encodeWithSelector(
            Receipt.selector, _idOf(all[2]), 1, bytes32("signature")
        );
        _leavesNothing(all, why);
    }

    function test_nameTwiceInACall() external {
        NewFile[] memory all = _batch(3);
        all[2].name = all[0].name;
        _leavesNothing(
            all, abi.encodeWithSelector(NameTaken.selector, all[0].name, _idOf(all[0]))
        );
    }

    function test_nonceTwiceInACall() external {
        NewFile[] memory all = _batch(3);
        all[2].nonce = all[1].nonce;
        _leavesNothing(all, abi.encodeWithSelector(FileExists.selector, _idOf(all[1])));
    }

    function test_replacingAFileOfTheSameCall() external {
        NewFile[] memory all = _batch(3);
        all[2].replaces = _idOf(all[0]);
        _leavesNothing(all, abi.encodeWithSelector(Invalid.selector, bytes32("replaces")));
    }

    function test_replacingOneFileTwiceInACall() external {
        NewFile memory old = _signedFile(9);
        _done(OWNER, _publishing(old));
        NewFile[] memory all = _batch(2);
        all[0].replaces = all[1].replaces = _idOf(old);
        bytes memory why =
            abi.encodeWithSelector(Gone.selector, _idOf(old), block.timestamp);
        _refused(OWNER, _call(all), why);
        all[1].replaces = 0;
        all[1].name = old.name;
        _done(OWNER, _call(all));
        require(registry.named(OWNER, SPACE, old.name) == _idOf(all[1]), "name");
    }

    // ------------------------------------------------------------------ 2^48 leaves

    function _long(uint128 number, uint64 leaves) private view returns (NewFile memory fresh) {
        fresh = _unsigned(number);
        fresh.holders[0].leaves = fresh.holders[0].size = leaves;
        _sign(KEY, _digestOf(fresh), fresh.holders[0]);
    }

    function test_addressSpaceHas48Bits() external {
        uint64 most = type(uint48).max;
        bytes memory why = abi.encodeWithSelector(TooLarge.selector, uint256(most) + 1, most);
        _refused(OWNER, _publishing(_long(1, most + 1)), why);
        _done(OWNER, _publishing(_long(1, most)));
        (uint64 segments, uint64 leaves,, uint64 held,) = registry.space(NODE);
        require(segments == 1 && leaves == most && held == 1, "space");
        _refused(OWNER, _publishing(_signedFile(2)), why);
    }

    function test_moreLeavesThanFitAreRefusedUpToTheLargestNumber() external {
        uint64 largest = type(uint64).max >> 1;
        uint256 most = type(uint48).max;
        _done(OWNER, _publishing(_signedFile(1)));
        bytes memory why = abi.encodeWithSelector(TooLarge.selector, uint256(largest) + 1, most);
        _refused(OWNER, _publishing(_long(2, largest)), why);
        bytes memory invalid = abi.encodeWithSelector(Invalid.selector, bytes32("holder"));
        _refused(OWNER, _publishing(_long(2, largest + 1)), invalid);
    }

    // ------------------------------------------------------------------ release

    function _release(bytes32 file, Record memory record) private view returns (bytes memory) {
        return abi.encodeCall(registry.release, (file, record));
    }

    function _releasable(NewFile memory fresh, uint256 gone) private {
        bytes32 file = _idOf(fresh);
        Record memory record = _recordOf(fresh, 0);
        vm.warp(gone - 1);
        bytes memory why = abi.encodeWithSelector(NotGone.selector, file, gone);
        _refused(address(1), _release(file, record), why);
        _refused(OWNER, _release(file, record), why);
        vm.warp(gone);
        record.version = 2;
        bytes memory stale = abi.encodeWithSelector(Version.selector, file);
        _refused(address(1), _release(file, record), stale);
        record.version = 1;
        _done(address(1), _release(file, record));
        bytes memory unknown = abi.encodeWithSelector(FileUnknown.selector, file);
        _refused(address(1), _release(file, record), unknown);
        (,,, uint64 held,) = registry.space(NODE);
        require(held == 0 && registry.named(OWNER, SPACE, fresh.name) == 0, "not forgotten");
    }

    function test_releaseWaitsForRetentionAfterExpiry() external {
        NewFile memory fresh = _signedFile(1);
        _done(OWNER, _publishing(fresh));
        _releasable(fresh, fresh.expiry + 1200);
    }

    function test_releaseWaitsForRetentionAfterDeletion() external {
        NewFile memory fresh = _signedFile(1);
        _done(OWNER, _publishing(fresh));
        vm.warp(block.timestamp + 10);
        _done(OWNER, abi.encodeCall(registry.deleteFile, (_idOf(fresh))));
        _releasable(fresh, fresh.expiry - 100 + 10 + 1200);
    }

    function test_receiptsOfAReleasedFileAreOver() external {
        NewFile memory fresh = _signedFile(1);
        _done(OWNER, _publishing(fresh));
        _releasable(fresh, fresh.expiry + 1200);
        fresh.expiry = fresh.holders[0].latestExpiry = uint64(block.timestamp + 100);
        bytes memory why = abi.encodeWithSelector(
            Receipt.selector, _idOf(fresh), 1, bytes32("validUntil")
        );
        _refused(OWNER, _publishing(fresh), why);
        _done(OWNER, _publishing(_signedFile(1)));
    }
}
