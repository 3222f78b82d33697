// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {vm} from "./Net.sol";
import {Scene} from "./Scene.sol";

/// @title Proofs about a file whose retention ends at the epoch's first block, or a second later
/// @notice The node has one leaf, so every draw asks for it.
contract HolesTest is Scene {
    bytes32 private file;
    uint64 private gone;

    uint256 private constant DRAWS = 5;
    uint256 private constant ATTEMPTS = 16;

    function setUp() public override {
        super.setUp();
        _register(vm.addr(KEY));
        NewFile memory fresh = _signedFile(1);
        _done(OWNER, _publishing(fresh));
        (file, gone) = (_idOf(fresh), fresh.expiry + 1200);
    }

    /// @dev Epoch 1 has begun at `time`, and its seed is known.
    function _begin(uint64 time) private {
        bytes memory before = hex"8080808080808080808080"; // eleven empty fields
        bytes memory header =
            abi.encodePacked(before, hex"84", uint32(time), hex"80a0", keccak256("random"));
        header = abi.encodePacked(hex"f8", uint8(header.length), header);
        vm.roll(1041);
        vm.warp(time + 12);
        vm.setBlockhash(1040, keccak256(header));
        _done(OWNER, abi.encodeCall(registry.revealSeed, (1, header)));
        (uint64 epoch, bytes32 seed, uint64 known) = registry.newestSeed();
        require(epoch == 1 && seed == keccak256("random") && known == time, "seed");
    }

    function _segment() private view returns (bytes memory) {
        return abi.encodePacked(uint32(0), file, uint8(1), uint48(0), uint48(1), uint48(1));
    }

    function _times(uint256 count, bytes memory part) private pure returns (bytes memory all) {
        for (uint256 i = 0; i < count; ++i) {
            all = abi.encodePacked(all, part);
        }
    }

    function _asHoles(uint256 holes) private view returns (bytes memory) {
        bytes memory hole = abi.encodePacked(_segment(), _holdingRoot());
        return abi.encodePacked(uint8(holes), _times(holes, hole));
    }

    function _asLeaf() private view returns (bytes memory) {
        return abi.encodePacked(uint8(1), _segment(), uint64(DATA.length), DATA);
    }

    function _asLoss() private view returns (bytes memory) {
        return abi.encodePacked(uint8(2), _segment(), _holdingRoot());
    }

    function _proof(bytes memory answer) private view returns (bytes memory) {
        return abi.encodeCall(registry.prove, (NODE, 1, _times(DRAWS, answer)));
    }

    function _wrong(bytes memory answer, bytes32 why) private {
        address signer = vm.addr(KEY);
        _refused(signer, _proof(answer), abi.encodeWithSelector(Proof.selector, 0, why));
        (,,, uint64 held, uint64 proved) = registry.space(NODE);
        require(held == 1 && proved == 0, "an effect");
    }

    function _right(bytes memory answer, uint64 holdings) private {
        _done(vm.addr(KEY), _proof(answer));
        (,,, uint64 held, uint64 proved) = registry.space(NODE);
        require(held == holdings && proved == 2, "no effect");
    }

    function test_beforeRetentionEndsItIsNoHole() external {
        _begin(gone - 1);
        _wrong(_asHoles(ATTEMPTS), "no hole");
        _wrong(abi.encodePacked(_asHoles(1), _asLeaf()), "no hole");
        _right(abi.encodePacked(uint8(0), _asLeaf()), 1);
    }

    function test_beforeRetentionEndsItCanBeLost() external {
        _begin(gone - 1);
        _right(abi.encodePacked(uint8(0), _asLoss()), 0);
    }

    function test_afterRetentionItIsAHole() external {
        _begin(gone);
        _wrong(abi.encodePacked(uint8(0), _asLeaf()), "hole");
        _wrong(abi.encodePacked(uint8(0), _asLoss()), "hole");
        _wrong(abi.encodePacked(_asHoles(1), _asLeaf()), "hole");
        _wrong(_asHoles(ATTEMPTS + 1), "holes");
        _right(_asHoles(ATTEMPTS), 1);
    }

    function test_aReleasedFileIsAHole() external {
        _begin(gone - 1);
        vm.warp(gone);
        Record memory record = _recordOf(_published(), 0);
        _done(OWNER, abi.encodeCall(registry.release, (file, record)));
        address signer = vm.addr(KEY);
        bytes memory claimed = _proof(abi.encodePacked(uint8(0), _asLeaf()));
        _refused(signer, claimed, abi.encodeWithSelector(Proof.selector, 0, bytes32("hole")));
        _right(_asHoles(ATTEMPTS), 0);
    }

    /// @dev The file as `setUp` published it.
    function _published() private view returns (NewFile memory fresh) {
        fresh = _unsigned(1);
        fresh.expiry = fresh.holders[0].latestExpiry = gone - 1200;
    }
}
